//! The `wgrad` command.

mod device;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Trains, inspects and measures networks on any GPU.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List every adapter of every backend.
    Devices(device::DevicesArgs),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Devices(args) => device::list(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
