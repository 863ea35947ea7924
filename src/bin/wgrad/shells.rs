//! `wgrad completions` and `wgrad man`: what shells and `man` know of the command, made from its own definition.

use crate::Cli;
use anyhow::Context;
use clap::{Args, Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;
use std::fs;
use std::path::{Path, PathBuf};
use wgrad::write_atomically;

/// `wgrad completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

/// `wgrad man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Where the pages are written; made where it does not exist.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// Prints the script that a shell reads.
///
/// # Errors
/// When it is no text, which does not happen.
pub fn completions(args: &CompletionsArgs) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "wgrad", &mut script);
    print!("{}", String::from_utf8(script).context("the completions")?);
    Ok(())
}

/// Writes a page of the command and of each of its subcommands.
///
/// # Errors
/// When the folder or a page cannot be written.
pub fn man(args: &ManArgs) -> anyhow::Result<()> {
    let folder = &args.folder;
    fs::create_dir_all(folder).with_context(|| format!("DIR {}: expected a folder", folder.display()))?;
    // `help` would have a page for every page.
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let count = pages(&command, folder)?;
    println!(
        "wrote {count} pages to {}; read one with `man -l {}`",
        folder.display(),
        folder.join("wgrad.1").display()
    );
    Ok(())
}

/// The pages of a command and of those below it: how many.
fn pages(command: &Command, folder: &Path) -> anyhow::Result<usize> {
    let page = Man::new(command.clone());
    let (path, mut text) = (folder.join(page.get_filename()), Vec::new());
    page.render(&mut text)?;
    write_atomically(&path, &text)?;
    let below = command.get_subcommands().filter(|command| !command.is_hide_set());
    below.map(|command| pages(command, folder)).try_fold(1, |sum, count| Ok(sum + count?))
}
