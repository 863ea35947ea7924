//! `wgrad forecast --data`: CSV files as people have them, and what is left open in them.
#![cfg(feature = "cli")]

mod common;

use common::{refused, wgrad};
use std::fs;
use std::path::Path;

fn write(path: &Path, text: &str) {
    fs::write(path, text).expect("the folder can be written");
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
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

/// A file of 60 values in column `sales`, and what `forecast` must find in it.
fn forecast_of(folder: &Path, name: &str, text: &str, options: &[&str]) -> (bool, String) {
    write(&folder.join(name), text);
    let short = "--input 8 --horizon 3 --batch-size 4 --hidden 4 --epochs 1";
    let device: &[&str] = if options.contains(&"--device") { &[] } else { &["--device", "cpu"] };
    let out = format!("{name}-run");
    let args: Vec<&str> = ["forecast", "--data", name, "--out", &out]
        .into_iter()
        .chain(short.split(' '))
        .chain(device.iter().chain(options).copied())
        .collect();
    wgrad(folder, &args)
}

/// A value that a network's numbers cannot hold, in the part of the file that is not learned: `--check-finite` names the
/// input that it makes infinite; without it the loss is.
#[test]
fn what_is_not_finite_is_named_where_that_is_asked_for() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let mut values = sales();
    values[55] = "1e300".to_owned();
    for (options, named) in [(&["--check-finite"][..], true), (&[], false)] {
        let options = [&["--column", "sales"], options].concat();
        for device in ["cpu", "auto"] {
            let options = [&options[..], &["--device", device]].concat();
            let name = format!("large-{named}-{device}");
            let (success, told) = forecast_of(place.path(), &name, &table(&values), &options);
            // Of the second forecast's eight values the seventh.
            let what = "input 'input': expected finite numbers, got inf at [1, 6, 0] of f32 (2, 8, 1)";
            assert!(!success && told.contains(what) == named, "{options:?}: {told}");
            assert!(named || told.contains("loss: expected finite numbers, got inf"), "{told}");
        }
    }
}

#[test]
fn csv_files_as_people_have_them_are_the_same_series() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let folder = place.path();
    let plain = table(&sales());
    let commas = |text: &str| text.replace('.', ",");
    let by = |separator: &str| plain.replace(',', separator);
    let body = |text: &str| text.split_once('\n').expect("a header").1.to_owned();
    let column = sales().join("\n") + "\n";
    let quoted = plain.lines().map(|l| format!("\"{}\"\n", l.replace(',', "\",\""))).collect::<String>();
    let sales_by_number = ["--column", "2"];
    let files: [(&str, String, &[&str], &str); 15] = [
        (
            "plain",
            plain.clone(),
            &["--column", "sales"],
            "commas, header in row 1, decimal point, column 'sales' (2 of 3), 60 rows",
        ),
        ("semicolons", by(";"), &["--column", "sales"], "semicolons, header in row 1, decimal point"),
        ("german", commas(&by(";")), &["--column", "sales"], "semicolons, header in row 1, decimal comma"),
        ("tabs", by("\t"), &["--column", "sales"], "tabs, header in row 1"),
        ("bars", commas(&by("|")), &sales_by_number, "bars, header in row 1, decimal comma"),
        (
            "sep",
            format!("sep=;\r\n{}", commas(&by(";")).replace('\n', "\r\n")),
            &["--column", "sales"],
            "semicolons, header in row 2",
        ),
        ("mark", format!("\u{feff}{}", by(";")), &["--column", "sales"], "semicolons, header in row 1"),
        ("quoted", quoted.clone(), &["--column", "sales"], "commas, header in row 1"),
        (
            "quoted-commas",
            commas(&quoted).replace("\",\"", "\";\""),
            &["--column", "sales"],
            "semicolons, header in row 1, decimal comma",
        ),
        (
            "one-column",
            format!("sales\n{column}"),
            &[],
            "one column, header in row 1, decimal point, column 'sales' (1 of 1)",
        ),
        (
            "one-column-commas",
            format!("sales\n{}", commas(&column)),
            &[],
            "one column, header in row 1, decimal comma",
        ),
        (
            "headerless",
            column.clone(),
            &[],
            "one column, no header, row 1 has values, decimal point, column '1' (1 of 1), 60 rows",
        ),
        (
            "headerless-forced",
            body(&plain),
            &["--no-header", "--column", "2"],
            "commas, no header, row 1 has values",
        ),
        ("trailing", plain.replace(",fine\n", ",\n").replace("weather", ""), &[], "column 'sales' (2 of 3)"),
        (
            "told",
            commas(&by(";")),
            &["--separator", ";", "--decimal", "comma", "--header", "--column", "sales"],
            "decimal comma",
        ),
    ];
    let mut expected = None;
    for (name, text, options, found) in files {
        let (success, told) = forecast_of(folder, name, &text, options);
        assert!(success && told.contains(found) && told.contains(": 60 values"), "{name}: {told}");
        // The same values learned with the same seed have the same errors, to the last digit.
        let errors = read(&folder.join(format!("{name}-run/errors.csv")));
        assert_eq!(*expected.get_or_insert(errors.clone()), errors, "{name}");
    }
    let days: String = sales().iter().enumerate().map(|(day, v)| format!("2020-01-{day:02};{v}\n")).collect();
    let (success, told) = forecast_of(folder, "dates", &days, &[]);
    assert!(
        success && told.contains("no header, row 1 has values") && told.contains(": 60 values"),
        "{told}"
    );
}

#[test]
fn gaps_go_by_policy() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let folder = place.path();
    for gap in ["", "NA", "nan", "-"] {
        let mut values = sales();
        values[17] = gap.to_owned();
        let text = table(&values);
        let with = |policy: &str| {
            let _ = fs::remove_dir_all(folder.join("gaps-run"));
            forecast_of(folder, "gaps", &text, &["--column", "sales", "--gaps", policy])
        };
        let (success, told) = with("error");
        assert!(!success && told.contains("gaps: row 19, column 'sales': expected a number, got"), "{told}");
        assert!(told.contains("--gaps drop or linear"), "{told}");
        let (success, told) = with("drop");
        assert!(success && told.contains("1 gaps left out") && told.contains(": 59 values"), "{told}");
        let (success, told) = with("linear");
        assert!(success && told.contains("1 gaps filled") && told.contains(": 60 values"), "{told}");
    }
    let blank = format!("sales\n{}\n\n{}\n", sales()[..30].join("\n"), sales()[30..].join("\n"));
    let (success, told) = forecast_of(folder, "blank", &blank, &["--gaps", "drop"]);
    assert!(success && told.contains("1 gaps left out") && told.contains(": 60 values"), "{told}");
}

#[test]
fn what_a_csv_file_leaves_open_is_refused_with_the_option_that_settles_it() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let folder = place.path();
    let wrong = |text: &str, options: &[&str], parts: &[&str]| {
        let (success, told) = forecast_of(folder, "f.csv", text, options);
        assert!(!success, "{text:?} {options:?}: {told}");
        parts.iter().for_each(|part| assert!(told.contains(part), "no {part:?} in {told}"));
        assert!(!folder.join("f.csv-run").exists());
    };
    let at = "f.csv: row 2, column 'v'";
    wrong("d;v\n1;1.234,5\n2;2,5\n", &[], &[at, "thousands separators, got '1.234,5'"]);
    wrong("d,v\n1,\"1,234.5\"\n", &[], &[at, "thousands separators, got '1,234.5'"]);
    wrong("d;v\n1;1'234\n", &[], &[at, "thousands separators"]);
    wrong("d;v\n1;1,234\n2;5,678\n", &[], &[at, "'1,234', which could be both", "--decimal comma"]);
    wrong("d;v\n1;1.234\n2;950\n", &[], &[at, "'1.234', which could be both", "--decimal point"]);
    wrong(
        "d;v\n1;1,5\n2;2.5\n",
        &[],
        &["row 3, column 'v'", "decimal comma, as elsewhere in the file, got '2.5'"],
    );
    wrong("v;d\n1;2020-01-01\n", &[], &["row 2, column 'd'", "the date or time '2020-01-01'"]);
    wrong("1,5\n2,5\n3,5\n", &[], &["row 1", "'1,5'", "--separator ';'", "--column 1 or 2"]);
    wrong("a;1\nb;2\n", &[], &["row 1", "got both (a, 1)", "--header or --no-header"]);
    wrong("v;v\n1;2\n", &["--column", "v"], &["expected one column \"v\", got columns 1 and 2"]);
    wrong("1;2\n3;4\n", &["--column", "v"], &["expected a column from 1 to 2", "--header"]);
    wrong("v\n\"1\n2\n", &[], &["row 2", "the end of a quote"]);
    wrong("v;w\n1;2\n3\n", &[], &["row 3, column 'w'", "2 fields as in the header, got 1"]);
    wrong("v\n1\n", &["--separator", "xx"], &["--separator", "one character"]);
    fs::write(folder.join("latin.csv"), b"Gr\xf6\xdfe\n1\n").expect("the folder can be written");
    refused(folder, &["forecast", "--data", "latin.csv"], &["latin.csv", "UTF-8", "0xf6 at 2"]);
}
