//! What `wgrad` says to somebody who has just installed it: four commands, and where the rest is.

/// A command to try first, and what one will see.
const FIRST: [(&str, &str); 4] = [
    ("wgrad train", "learns drawn digits in a minute; curves, mistakes and weights go to runs/"),
    ("wgrad explain lenet", "what a training step does: every kernel, what was fused, what memory holds"),
    (
        "wgrad parity --quick conv2d",
        "is an op right on this adapter? Each case beside the exact CPU reference",
    ),
    ("wgrad bench peaks", "how fast the adapter is: arithmetic, memory, launches"),
];

/// The text.
pub fn text() -> String {
    let width = FIRST.iter().map(|(command, _)| command.len()).max().unwrap_or(0);
    let line = |(command, sees): &(&str, &str)| format!("  {command:width$}   {sees}\n");
    format!(
        "wgrad {}: trains convolutional and recurrent networks on any GPU, or without one\n\n{}\n\
         Something is missing, slow or wrong?  wgrad doctor\n\
         All commands, and the options of one: wgrad help, wgrad help train\n\
         The guide, with data of your own:     docs/guide/src/first-run.md in the source\n",
        env!("CARGO_PKG_VERSION"),
        FIRST.iter().map(line).collect::<String>()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Cli;
    use clap::Parser;

    #[test]
    fn every_command_that_is_shown_is_one() {
        for (command, _) in FIRST.iter().chain([&("wgrad doctor", "")]) {
            let parsed = Cli::try_parse_from(command.split(' '));
            assert!(parsed.is_ok_and(|cli| cli.command.is_some()), "{command}");
            assert!(text().contains(command), "{command}");
        }
        let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/guide/src/first-run.md");
        assert!(text().contains("docs/guide/src/first-run.md") && page.is_file());
        assert!(text().lines().all(|line| line.chars().count() <= 110), "{}", text());
    }
}
