//! What the guide shows is what a reader sees: each command of its pages is run, and what it prints is compared; each file that
//! a page has the reader write is written; no page, program or example is forgotten.
//!
//! A block ```` ```console ```` holds commands after `$ ` and what they print on standard output, line by line; a command behind
//! which nothing stands has only to succeed, one whose last line begins with `error: ` has to fail. `..` stands for any text in
//! a line, a line `...` for any lines. In a block ```` ```console,numbers ```` every number stands for any other, for what depends
//! on the machine; a line that begins with `device ` is compared by that word alone. A block with `file:NAME` is written to a
//! file first. All commands of a page run in one folder.
//!
//! `WGRAD_WRITE=1 cargo test --features cli --test guide` writes what commands print into the pages where it differs;
//! `WGRAD_PAGE=name` looks at one page alone.
#![cfg(all(feature = "cli", unix))]

mod each;

use each::each;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn source() -> PathBuf {
    root().join("docs/guide/src")
}

/// A block of a page: what stands behind its fence, its first line's place and its lines.
struct Block {
    info: String,
    first: usize,
    lines: Vec<String>,
}

/// The blocks of a page, in order.
fn blocks(text: &str) -> Vec<Block> {
    let (mut blocks, mut open): (Vec<Block>, Option<Block>) = (Vec::new(), None);
    for (place, line) in text.lines().enumerate() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(info)) => {
                open = Some(Block { info: info.trim().to_owned(), first: place + 1, lines: Vec::new() });
            }
            (Some(_), Some("")) => blocks.extend(open.take()),
            (Some(block), _) => block.lines.push(line.to_owned()),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block that is not closed");
    blocks
}

/// A command of a page, the line after it, and what it has to print.
struct Step {
    command: String,
    first: usize,
    expected: Vec<String>,
}

fn steps(block: &Block) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for (place, line) in block.lines.iter().enumerate() {
        match (line.strip_prefix("$ "), steps.last_mut()) {
            (Some(command), _) => {
                let first = block.first + place + 1;
                steps.push(Step { command: command.to_owned(), first, expected: Vec::new() });
            }
            (None, Some(step)) => step.expected.push(line.clone()),
            (None, None) => panic!("line {}: output without a command", block.first + place + 1),
        }
    }
    // Blank lines between a command's output and the next command are for the eye.
    for step in &mut steps {
        while step.expected.last().is_some_and(String::is_empty) {
            step.expected.pop();
        }
    }
    steps
}

/// Each number as one sign, and blanks between words as one, since numbers are of different widths.
fn without_numbers(line: &str) -> String {
    let (mut text, mut number) = (String::new(), false);
    let mut before = ' ';
    for c in line.chars() {
        let exponent = matches!(c, '-' | '+') && before == 'e';
        let digit = c.is_ascii_digit() || number && (matches!(c, '.' | 'e') || exponent);
        before = c;
        if digit && !number {
            text.push('#');
        } else if !(digit || c == ' ' && text.ends_with(' ')) {
            text.push(c);
        }
        number = digit;
    }
    let pairs = [("-#", "#"), (" #", "#"), ("# ", "#"), (" ..", ".."), (".. ", "..")];
    pairs.into_iter().fold(text, |text, (from, to)| text.replace(from, to)).trim_end().to_owned()
}

/// Whether `pattern`, in which `..` stands for any text, is `line`.
fn fits(pattern: &str, line: &str) -> bool {
    let parts: Vec<&str> = pattern.split("..").collect();
    let [first, middle @ .., last] = &parts[..] else { return pattern == line };
    let Some(mut rest) = line.strip_prefix(first) else { return false };
    for part in middle {
        match rest.find(part) {
            Some(place) => rest = &rest[place + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// Whether lines are those that were expected.
fn same(expected: &[String], got: &[String], numbers: bool) -> bool {
    let line = |pattern: &String, line: &String| {
        let device = |text: &str| text.starts_with("device ");
        let shown = |text: &String| if numbers { without_numbers(text) } else { text.trim_end().to_owned() };
        device(pattern) && device(line) || fits(&shown(pattern), &shown(line))
    };
    match expected {
        [] => got.is_empty(),
        [dots, rest @ ..] if dots.trim() == "..." => {
            (0..=got.len()).any(|skipped| same(rest, &got[skipped..], numbers))
        }
        [first, rest @ ..] => {
            got.first().is_some_and(|got| line(first, got)) && same(rest, &got[1..], numbers)
        }
    }
}

/// Runs a command in a folder: whether it succeeded, and the lines of what it printed.
fn run(command: &str, folder: &Path) -> (bool, Vec<String>) {
    let wgrad = Path::new(env!("CARGO_BIN_EXE_wgrad")).parent().expect("a folder");
    let path = std::env::var("PATH").unwrap_or_default();
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).current_dir(folder).env("PATH", format!("{}:{path}", wgrad.display()));
    let output = shell.env("WGRAD_TUNING", "off").output().expect("a shell");
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        text += &String::from_utf8_lossy(&output.stderr);
    }
    // Whether the device waits for data depends on how busy the machine is.
    let lines = text.lines().filter(|line| !line.contains("batches were waited for"));
    (output.status.success(), lines.map(|line| line.trim_end().to_owned()).collect())
}

/// The pages of a file of the book, by their names, in order.
fn pages() -> Vec<String> {
    let summary = fs::read_to_string(source().join("SUMMARY.md")).expect("SUMMARY.md");
    let links = summary.split("](").skip(1);
    links.filter_map(|rest| rest.split(')').next()).map(str::to_owned).collect()
}

fn page(name: &str) -> String {
    fs::read_to_string(source().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// What differs on a page, and how often it was looked.
fn check(name: &str, write: bool) -> (usize, Vec<String>) {
    let text = page(name);
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (mut looked, mut failures, mut moved) = (0, Vec::new(), 0isize);
    for block in blocks(&text) {
        if let Some((_, file)) = block.info.split_once("file:") {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder that can be made");
            fs::write(path, block.lines.join("\n") + "\n").expect("a file that can be written");
        }
        let numbers = match block.info.as_str() {
            "console" => false,
            "console,numbers" => true,
            _ => continue,
        };
        for Step { command, first, expected } in steps(&block) {
            looked += 1;
            let (success, got) = run(&command, folder.path());
            let fails = expected.last().is_some_and(|line| line.starts_with("error: "));
            let right = expected.is_empty() || same(&expected, &got, numbers);
            if right && success != fails {
                continue;
            }
            if write && !right {
                let place = (first as isize + moved) as usize;
                moved += got.len() as isize - expected.len() as isize;
                lines.splice(place..place + expected.len(), got);
                continue;
            }
            let (expected, got) = (expected.join("\n"), got.join("\n"));
            failures.push(format!(
                "{name}, line {first}: $ {command}\n(it {})\n--- the page says\n{expected}\n--- it printed\n{got}\n",
                if success { "succeeded" } else { "failed" }
            ));
        }
    }
    if write {
        fs::write(source().join(name), lines.join("\n") + "\n").expect("the page can be written");
    }
    (looked, failures)
}

#[test]
fn commands_print_what_the_guide_shows() {
    if wgrad::adapters(None).is_empty() {
        println!("SKIPPED: no adapter, and the CPU reference would take too long");
        return;
    }
    let write = std::env::var_os("WGRAD_WRITE").is_some();
    let only = std::env::var("WGRAD_PAGE").ok();
    let pages: Vec<String> =
        pages().into_iter().filter(|page| only.as_ref().is_none_or(|only| page.contains(only))).collect();
    let results = each(&pages, || (), |(), name| check(name, write));
    let looked: usize = results.iter().map(|(looked, _)| looked).sum();
    let failures: Vec<String> = results.into_iter().flat_map(|(_, failures)| failures).collect();
    println!("{looked} commands");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(only.is_some() || looked > 20, "{looked} commands");
}

/// The comparison itself.
#[test]
fn lines_are_compared_as_they_are_said_to_be() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let same = |expected: &str, got: &str, numbers| same(&lines(expected), &lines(got), numbers);
    assert!(same("a 1\nb", "a 1\nb", false) && !same("a 1\nb", "a 2\nb", false));
    assert!(same("a 1.5\nb", "a  22\nb", true) && !same("a 1\nb", "c 1\nb", true));
    assert!(
        same("a\n...\nd", "a\nb\nc\nd", false) && same("a\n...", "a", false) && !same("...\nd", "a", false)
    );
    assert!(same("a .. c", "a b b c", false) && !same("a .. c", "a b", false) && !same("a", "a\nb", false));
    assert!(same("device x", "device another one", false) && !same("device x", "model x", false));
    assert!(same("loss 0.5 in 8 ms", "loss 1e-3 in 12.25 ms", true));
    assert!(same("checksum = ..", "checksum = 0a9e", true) && same("a 1 .. b", "a 2 x b", true));
}

/// Links of pages to files and pages, pictures too.
#[test]
fn every_page_and_every_link_leads_somewhere() {
    let pages = pages();
    for entry in fs::read_dir(source()).expect("the guide").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let known = name == "SUMMARY.md" || !name.ends_with(".md") || pages.contains(&name);
        assert!(known, "{name} is not in SUMMARY.md");
    }
    for name in &pages {
        let text = page(name);
        let outside = |link: &str| link.contains("://") || link.starts_with('#') || link.starts_with('<');
        let mut within = false;
        for line in text.lines() {
            within ^= line.starts_with("```");
            let links = line.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next());
            for link in links.filter(|link| !within && !outside(link)) {
                let path = source().join(link.split('#').next().unwrap_or_default());
                assert!(path.exists(), "{name}: no {link}");
            }
        }
    }
}

/// A page with a program is one of those whose programs are run, and no other fence hides a program from that.
#[test]
fn programs_of_pages_are_run() {
    let library = fs::read_to_string(root().join("src/lib.rs")).expect("src/lib.rs");
    for name in pages() {
        let blocks = blocks(&page(&name));
        let program = |block: &&Block| block.info.split(',').next() == Some("rust");
        let programs: Vec<&Block> = blocks.iter().filter(program).collect();
        for block in &programs {
            let skipped = ["ignore", "text", "compile_fail"].iter().any(|word| block.info.contains(word));
            assert!(!skipped, "{name}: a program that is not run, behind line {}", block.first);
        }
        let listed = library.contains(&format!("\"{name}\""));
        assert_eq!(listed, !programs.is_empty(), "{name}: {} programs; see src/lib.rs", programs.len());
    }
}

/// Examples are short, named in the guide, and run by the tests.
#[test]
fn examples_are_short_told_and_run() {
    let script = fs::read_to_string(root().join("scripts/test.sh")).expect("scripts/test.sh");
    assert!(script.contains("for example in examples/*.rs"), "scripts/test.sh runs all examples");
    let list = page("examples.md");
    let mut found = 0;
    for entry in fs::read_dir(root().join("examples")).expect("examples").flatten() {
        let path = entry.path();
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        found += 1;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let lines = fs::read_to_string(&path).expect("an example").lines().count();
        assert!(lines < 80, "{name} has {lines} lines: examples are below 80");
        assert!(list.contains(&format!("`{name}`")), "{name} is not in docs/guide/src/examples.md");
    }
    assert!(found > 12, "{found} examples");
}

/// The right column of "Coming from PyTorch", as far as its names stand alone: that they are there and take what it says.
#[test]
fn names_that_stand_for_those_of_pytorch_are_there() -> wgrad::Result<()> {
    use wgrad::nn::{self, Module};
    use wgrad::ops::{Init, Interpolate, InterpolateMode, Pad, Reduction, Role};
    use wgrad::optim::{self, Optimizer};
    use wgrad::{Graph, Tensor, TensorType};
    let graph = Graph::new();
    let (a, b) = (graph.input("a", [4, 6])?, graph.input("b", [4, 6])?);
    let (image, index) = (graph.input("image", [1, 2, 6, 6])?, graph.input_u32("index", [3])?);
    let shapes = [
        (a.add(&b)?.mul(&b)?.neg()?.add_scalar(1.0)?.scale(2.0)?, vec![4, 6]),
        (a.narrow(1, 2, 3)?, vec![4, 3]),
        (a.slice(-1, 0, i64::MAX, 2)?, vec![4, 3]),
        (a.half()?.float()?, vec![4, 6]),
        (a.softmax(1)?, vec![4, 6]),
        (a.sum((), false)?, vec![]),
        (a.sum(1, true)?, vec![4, 1]),
        (a.var(1, 1, false)?, vec![4]),
        (a.max_dim(1)?.0, vec![4]),
        (a.amax((), false)?, vec![]),
        (a.reshape([6, 4])?, vec![6, 4]),
        (a.broadcast_to([2, 4, 6])?, vec![2, 4, 6]),
        (Tensor::concat(&[&a, &b], 0)?, vec![8, 6]),
        (Tensor::stack(&[a.clone(), b.clone()], 0)?, vec![2, 4, 6]),
        (a.split(1, &[2, 4])?.remove(1), vec![4, 4]),
        (a.matmul(&b.transpose(0, 1)?)?, vec![4, 4]),
        (Tensor::einsum("bi,bj->bij", &[&a, &b])?, vec![4, 6, 6]),
        (a.select(&a, &b)?, vec![4, 6]),
        (a.square()?.pow_scalar(3.0)?.pow(&b)?, vec![4, 6]),
        (a.index_select(0, &[1, 2])?, vec![2, 6]),
        (a.index_select_by(0, &index)?, vec![3, 6]),
        (image.pad(&[1, 1, 2, 2], Pad::Reflect)?, vec![1, 2, 10, 8]),
        (
            image.interpolate(&Interpolate::scale_factor(&[2.0, 2.0]).mode(InterpolateMode::Bilinear))?,
            vec![1, 2, 12, 12],
        ),
        (image.batch_norm(None, None, 1e-5)?, vec![1, 2, 6, 6]),
        (graph.uniform([2], 1)?, vec![2]),
        (nn::Rnn::new(6, 3).relu().forward(&a.unsqueeze(1)?)?, vec![4, 1, 3]),
        (a.huber_loss(&b, 0.5, Reduction::Mean)?, vec![]),
    ];
    for (tensor, shape) in shapes {
        assert_eq!(tensor.shape()[..], shape[..]);
    }
    let weight = graph.parameter("own.weight", [4], Init::kaiming_uniform(&[4, 2].into(), 0.0))?;
    let running = graph.state("own.running", TensorType::f32([4]), Init::Zeros, Role::Buffer)?;
    graph.assign(&running, &a.mean(1, false)?)?;
    let normed = graph.scoped("normed", || nn::WeightNorm::new(nn::Linear::new(6, 1)).forward(&a))?;
    let loss = normed.mean((), false)?.add(&weight.sum((), false)?)?;
    let clipped = optim::clip_grad_norm(&optim::gradients(&loss)?, 1.0)?.0;
    let sgd = || optim::Sgd::new(0.1).momentum(0.9).nesterov(true);
    optim::Groups::new(optim::RmsProp::new(1e-3)).group("own", "own.*", sgd()).update(&clipped)?;
    Ok(())
}
