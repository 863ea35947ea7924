//! `wgrad text`, `write` and `forecast` as a user runs them: short real runs, and what goes wrong.
#![cfg(feature = "cli")]

mod common;

use common::{refused, wgrad};
use std::fs;
use std::path::Path;

/// Trains a small network for a few steps.
const TEXT: &str = "text --data text.txt --batch-size 4 --window 8 --hidden 8 --embedding 4 --steps 20 --lr 2e-2 \
                    --prompt one --length 30";

/// The same for a series.
const FORECAST: &str = "forecast --data sales.csv --column sales --input 8 --horizon 3 --batch-size 4 --hidden 6 \
                        --epochs 20";

/// Writes with the first of the text's runs.
const WRITE: &str = "write --run runs/0001-text --prompt one --length 30";

/// A folder with `text.txt`: 600 characters, one rhyme over and over.
fn place() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write(&folder.path().join("text.txt"), &"one and two,\nand one\n".repeat(29)[..600]);
    folder
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).expect("the folder can be written");
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The words of a command, `options` in place of those of the same name.
fn with<'a>(command: &'a str, options: &[&'a str]) -> Vec<&'a str> {
    let mut args: Vec<&str> = command.split_whitespace().collect();
    for option in options.chunks(2) {
        match args.iter().position(|a| a == &option[0]) {
            Some(at) => args[at + 1] = option[1],
            None => args.extend(option),
        }
    }
    args
}

/// Rows of a CSV file below its header.
fn rows(path: &Path, header: &str) -> Vec<Vec<f64>> {
    let text = read(path);
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some(header), "{}", path.display());
    let number = |field: &str| field.parse().unwrap_or_else(|_| panic!("{}: {field}", path.display()));
    lines.map(|line| line.split(',').map(number).collect()).collect()
}

fn files(run: &Path) -> Vec<String> {
    let entries = fs::read_dir(run).expect("a run folder").flatten();
    let mut names: Vec<String> = entries.filter_map(|e| e.file_name().into_string().ok()).collect();
    names.sort();
    names
}

#[test]
fn a_text_is_learned_and_written_on_with_the_same_bytes_every_time() {
    for cell in ["lstm", "gru"] {
        let place = place();
        let folder = place.path();
        let args = with(TEXT, &["--cell", cell]);
        let (success, text) = wgrad(folder, &args);
        assert!(success && text.contains("600 characters, 10 distinct"), "{text}");
        let run = folder.join("runs/0001-text");
        let expected = [
            "checkpoints",
            "events.jsonl",
            "loss.png",
            "loss.svg",
            "metrics.csv",
            "model.safetensors",
            "run.json",
            "sample.txt",
        ];
        assert_eq!(files(&run), expected, "{text}");
        assert!(read(&run.join("loss.svg")).contains("<svg") && read(&run.join("run.json")).contains(cell));
        let rows = rows(&run.join("metrics.csv"), "step,train_loss,validation_loss,seconds");
        assert_eq!(
            rows.iter().map(|r| r[0]).collect::<Vec<_>>(),
            [2., 4., 6., 8., 10., 12., 14., 16., 18., 20.]
        );
        assert!(rows[9][1] < 0.95 * rows[0][1] && rows[9][2] < 0.95 * rows[0][2], "the losses fall:\n{text}");

        // What the run wrote, `write` writes again from the saved weights.
        let sample = read(&run.join("sample.txt"));
        assert!(sample.starts_with("one") && sample.chars().count() == 33, "{sample:?}");
        let again = wgrad(folder, &with(WRITE, &[]));
        assert!(again.0 && again.1.contains(&sample), "{sample:?} is not in {:?}", again.1);
        assert_eq!(wgrad(folder, &with(WRITE, &[])), again);
        let (success, other) = wgrad(folder, &with(WRITE, &["--sample-seed", "1"]));
        assert!(success && !other.contains(&sample), "another seed draws the same");
        let likeliest = |seed| wgrad(folder, &with(WRITE, &["--top-k", "1", "--sample-seed", seed]));
        assert!(
            likeliest("1").0 && likeliest("1") == likeliest("2"),
            "with one to draw from, seeds do not count"
        );

        // A second run has the same bits, in the next folder.
        assert!(wgrad(folder, &args).0);
        for name in ["model.safetensors", "sample.txt"] {
            let bytes = |run: &str| fs::read(folder.join("runs").join(run).join(name)).expect("a file");
            assert!(bytes("0001-text") == bytes("0002-text"), "{name}: two runs with one seed differ");
        }
    }
}

#[test]
fn bad_input_of_a_text_is_named_and_leaves_nothing_behind() {
    let place = place();
    let folder = place.path();
    let refused_with = |options: &[&str], parts: &[&str]| refused(folder, &with(TEXT, options), parts);
    refused_with(&["--prompt", "one\nand six"], &["--prompt", "'s'", "line 2", "column 5"]);
    refused_with(&["--prompt", "xyz one"], &["--prompt", "'x' in line 1, column 1; it lacks 'y', 'z' too"]);
    refused_with(&["--temperature", "0"], &["temperature", "above 0"]);
    refused_with(&["--top-k", "0"], &["top-k", "at least 1"]);
    for size in ["--batch-size", "--window"] {
        refused_with(&[size, "0"], &[&size[2..], "at least 1"]);
        refused_with(&[size, "18446744073709551615"], &["text", "at least", "got 600"]);
    }
    for (size, name) in [("--hidden", "hidden"), ("--embedding", "embedding"), ("--layers", "layers")] {
        refused_with(&[size, "0"], &[name, "at least 1, got 0"]);
    }
    refused_with(&["--steps", "0"], &["--steps"]);
    refused_with(&["--lr", "nan"], &["lr", "NaN"]);
    refused_with(&["--dropout", "1.5"], &["dropout", "1.5"]);
    // 600 characters have a validation part of 60, and 540 to learn from: one window of 59, or 67 of 8.
    refused_with(&["--window", "60"], &["text", "at least 610 characters", "61 of them", "got 600"]);
    refused_with(&["--batch-size", "68"], &["text", "at least 605 characters", "68 streams of 8", "got 600"]);
    refused_with(&["--data", "gone"], &["gone", "No such file"]);
    fs::write(folder.join("bytes"), [b'a', b'b', 0xff]).expect("the folder can be written");
    refused_with(&["--data", "bytes"], &["bytes", "UTF-8", "at 2"]);
    write(&folder.join("same"), &"a".repeat(600));
    refused_with(&["--data", "same"], &["text", "2 distinct"]);
    assert!(!folder.join("runs").exists(), "a refused run left a folder behind");
}

#[test]
fn texts_of_any_script_and_system_are_learned_and_written() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let folder = place.path();
    let short = "--batch-size 4 --window 8 --hidden 8 --embedding 4 --steps 2 --length 20 --device cpu";
    let russian = "Жил-был царь,\nи был у него двор.\n".repeat(20);
    let chinese = "天地玄黃宇宙洪荒日月盈昃辰宿列張寒來暑往秋收冬藏閏餘成歲".repeat(20);
    let samples = [
        ("russian", russian.clone(), "Жил-был "),
        ("mark", format!("\u{feff}{russian}"), "Жил-был "),
        ("crlf", format!("\u{feff}{}", russian.replace('\n', "\r\n")), "Жил-был "),
        ("chinese", chinese, "天地玄黃宇宙洪荒日月盈昃"),
        ("spaces", format!("\n\n  {russian}"), "Жил-был "),
    ];
    for (name, text, begin) in &samples {
        write(&folder.join(name), text);
        let out = format!("{name}-run");
        let args: Vec<&str> =
            ["text", "--data", name, "--out", &out].into_iter().chain(short.split(' ')).collect();
        let (success, told) = wgrad(folder, &args);
        assert!(success, "{name}: {told}");
        let sample = read(&folder.join(&out).join("sample.txt"));
        assert!(
            sample.starts_with(begin) && sample.chars().count() == begin.chars().count() + 20,
            "{sample:?}"
        );
        let settings = read(&folder.join(&out).join("run.json"));
        assert!(!settings.contains('\u{feff}') && !settings.contains("\\r"), "{name}: {settings}");
        let (success, again) = wgrad(folder, &["write", "--run", &out, "--length", "20", "--device", "cpu"]);
        assert!(success && again.contains(&sample), "{name}: {sample:?} is not in {again:?}");
    }
    let vocabulary = |run: &str| {
        let settings = read(&folder.join(run).join("run.json"));
        settings.lines().find(|line| line.contains("\"vocabulary\"")).expect("a vocabulary").to_owned()
    };
    assert_eq!(vocabulary("russian-run"), vocabulary("crlf-run"));

    // From nothing: the first character is drawn, and each is one of the text.
    let empty = ["write", "--run", "russian-run", "--prompt", "", "--length", "25", "--device", "cpu"];
    let (success, written) = wgrad(folder, &empty);
    let written = written.split_once('\n').expect("a line").1.strip_suffix('\n').expect("its end").to_owned();
    assert!(success && written.chars().count() == 25, "{written:?}");
    assert!(written.chars().all(|c| russian.contains(c)), "{written:?}");
    let args: Vec<&str> =
        ["text", "--data", "russian", "--prompt", ""].into_iter().chain(short.split(' ')).collect();
    assert!(wgrad(folder, &args).0);
    assert_eq!(read(&folder.join("runs/0001-text/sample.txt")).chars().count(), 20);

    // What is no UTF-8 is named with its place.
    fs::write(folder.join("latin"), b"Gr\xf6\xdfe").expect("the folder can be written");
    refused(folder, &["text", "--data", "latin"], &["latin: expected text in UTF-8", "0xf6 at 2, in line 1"]);
    fs::write(folder.join("wide"), b"\xff\xfea\0b\0").expect("the folder can be written");
    refused(folder, &["text", "--data", "wide"], &["wide: expected text in UTF-8", "UTF-16"]);
}

#[test]
fn a_text_as_short_as_its_options_allow_is_learned() {
    let place = place();
    for options in [["--window", "59"], ["--batch-size", "67"]] {
        let options = [&options[..], &["--steps", "1"]].concat();
        let (success, text) = wgrad(place.path(), &with(TEXT, &options));
        assert!(success && text.contains("validation"), "{text}");
    }
}

#[test]
fn write_says_what_a_folder_lacks() {
    let place = place();
    let folder = place.path();
    let made = wgrad(folder, &with(TEXT, &["--steps", "1"]));
    assert!(made.0, "{}", made.1);
    let run = "runs/0001-text";
    // What was learned begins with "one", and so does what is written where nothing is said.
    let (success, written) = wgrad(folder, &["write", "--run", run, "--length", "9"]);
    assert!(success && written.contains("\none "), "{written}");
    refused(
        folder,
        &["write", "--run", run, "--prompt", "The"],
        &["--prompt", "'T'", "line 1", "column 1", "'h'"],
    );
    refused(folder, &["write", "--run", run, "--prompt", "and\none!"], &["'!'", "line 2", "column 4"]);
    refused(folder, &["write", "--run", "runs/0002-text"], &["runs/0002-text", "run folder"]);
    refused(folder, &["eval", "--run", run], &["expected", "mlp", "got text"]);
    let settings = folder.join(run).join("run.json");
    let text = read(&settings);
    write(&settings, &text.replace("\"hidden\": 8", "\"hidden\": 9"));
    refused(folder, &["write", "--run", run, "--prompt", "o"], &["model.safetensors", "expected", "got"]);
    write(&settings, &text.replace("\"hidden\": 8", "\"hidden\": \"many\""));
    refused(folder, &["write", "--run", run, "--prompt", "o"], &[run, "hidden", "many"]);
    fs::create_dir(folder.join("other")).expect("the folder can be written");
    write(&folder.join("other/run.json"), "{\"model\": \"lstm-rows\"}");
    refused(folder, &["write", "--run", "other"], &["other", "wgrad text", "lstm-rows"]);
}

/// A CSV file of `values` in a column `sales` between two others.
fn table(values: &[String]) -> String {
    let row = |(day, value): (usize, &String)| format!("{day},{value},fine\n");
    format!("day,sales,weather\n{}", values.iter().enumerate().map(row).collect::<String>())
}

/// A week, over and over, and a little more every day.
fn sales() -> Vec<String> {
    (0..60).map(|day| format!("{:.1}", [3., 5., 2., 8., 4., 9., 1.][day % 7] + 0.1 * day as f64)).collect()
}

#[test]
fn a_series_is_learned_and_its_end_forecast_with_the_same_bits() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let folder = place.path();
    write(&folder.join("sales.csv"), &table(&sales()));
    let (success, text) = wgrad(folder, &with(FORECAST, &[]));
    assert!(success && text.contains("column 'sales': 60 values, the last 6 to forecast"), "{text}");
    let run = folder.join("runs/0001-forecast");
    let expected = [
        "checkpoints",
        "errors.csv",
        "events.jsonl",
        "forecast.png",
        "forecast.svg",
        "history.png",
        "history.svg",
        "metrics.csv",
        "model.safetensors",
        "run.json",
        "steps.csv",
        "steps.jsonl",
    ];
    assert_eq!(files(&run), expected, "{text}");
    assert!(read(&run.join("forecast.svg")).contains("truth"));
    let head = "epoch,train_loss,train_mae,train_rmse,train_r2,test_loss,test_mae,test_rmse,test_r2,seconds,images_per_second";
    let losses = rows(&run.join("metrics.csv"), head);
    assert!(losses.len() == 20 && losses[19][0] == 20.0, "{losses:?}");
    assert!(losses[19][1] < 0.8 * losses[0][1], "the loss falls: {losses:?}");
    // The naive forecast lacks the growth of one week, seven times 0.1.
    let errors = rows(&run.join("errors.csv"), "forecast,naive");
    assert!(errors.len() == 1 && errors[0][0] > 0.0 && (errors[0][1] - 0.7).abs() < 1e-6, "{errors:?}");
    assert!(wgrad(folder, &with(FORECAST, &[])).0);
    for name in ["model.safetensors", "errors.csv", "forecast.svg", "history.svg"] {
        let bytes = |run: &str| fs::read(folder.join("runs").join(run).join(name)).expect("a file");
        assert!(bytes("0001-forecast") == bytes("0002-forecast"), "{name}: two runs with one seed differ");
    }
    // Half of it and then the rest are the whole.
    assert!(wgrad(folder, &with(&FORECAST.replace("--epochs 20", "--epochs 3 --out half"), &[])).0);
    let (success, text) = wgrad(folder, &["forecast", "--resume", "half", "--epochs", "20"]);
    assert!(success && text.contains("resumed  half/checkpoints/") && text.contains("epoch 20/20"), "{text}");
    let bytes = |run: &str| fs::read(folder.join(run).join("model.safetensors")).expect("a file");
    assert!(bytes("half") == bytes("runs/0001-forecast"), "a run that went on differs");
}

#[test]
fn bad_input_of_a_series_is_named_and_leaves_nothing_behind() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let folder = place.path();
    let refused_with = |options: &[&str], parts: &[&str]| refused(folder, &with(FORECAST, options), parts);
    // Value 17 stands in row 19, below the header and 17 others.
    for (bad, got) in [
        ("", "nothing"),
        ("many", "'many'"),
        ("1,5", "3 fields as in the header, got 4"),
        ("nan", "'nan'"),
        ("1e999", "'1e999'"),
    ] {
        let mut values = sales();
        values[17] = bad.to_owned();
        for (ending, name) in [("\n", "lf.csv"), ("\r\n", "crlf.csv")] {
            write(&folder.join(name), &table(&values).replace('\n', ending));
            refused_with(&["--data", name], &[name, "row 19, column 'sales'", got]);
        }
    }
    for ending in ["\n", "\r\n"] {
        let lines = ["sales", "1", "2", "", "4", ""].join(ending);
        write(&folder.join("empty-line.csv"), &lines);
        refused_with(&["--data", "empty-line.csv"], &["empty-line.csv: row 4, column 'sales'", "empty line"]);
    }
    write(&folder.join("sales.csv"), &table(&sales()));
    refused_with(&["--column", "weather"], &["sales.csv: row 2, column 'weather'", "'fine'"]);
    refused_with(&["--column", "Sales"], &["sales.csv", "\"Sales\"", "day, sales, weather"]);
    refused(folder, &["forecast", "--column", "sales"], &["--data"]);
    write(&folder.join("nothing.csv"), "");
    refused_with(&["--data", "nothing.csv"], &["nothing.csv", "header"]);
    write(&folder.join("few.csv"), &table(&sales()[..13]));
    refused_with(&["--data", "few.csv"], &["series", "at least 14 values, got 13"]);
    write(&folder.join("same.csv"), &table(&vec!["2".to_owned(); 60]));
    refused_with(&["--data", "same.csv"], &["series", "values that differ"]);
    refused_with(&["--data", "gone.csv"], &["gone.csv", "No such file"]);
    refused_with(&["--batch-size", "0"], &["batch-size", "1 to 44", "got 0"]);
    refused_with(&["--hidden", "0"], &["hidden", "at least 1, got 0"]);
    for size in ["--input", "--horizon", "--test"] {
        refused_with(&[size, "0"], &["series", &format!("{} 0", &size[2..])]);
    }
    refused_with(&["--input", "18446744073709551615"], &["series", "got 60"]);
    refused_with(&["--season", "0"], &["--season"]);
    refused_with(&["--lr", "nan"], &["lr", "NaN"]);
    assert!(!folder.join("runs").exists(), "a refused run left a folder behind");
}

/// All defaults but the number of steps, on the built-in text and the generated series.
#[test]
fn defaults_are_accepted() {
    let place = tempfile::tempdir().expect("a temporary folder");
    for (command, length, last) in
        [("text", "--steps", "sample.txt"), ("forecast", "--epochs", "forecast.svg")]
    {
        let (success, text) = wgrad(place.path(), &[command, length, "1"]);
        assert!(success && text.contains(last), "{command}:\n{text}");
    }
    assert!(place.path().join("runs/0001-text").is_dir() && place.path().join("runs/0002-forecast").is_dir());
}
