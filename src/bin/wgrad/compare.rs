//! `wgrad compare`: runs side by side, what differs between them and their curves.

use crate::canvas::Picture;
use crate::output;
use crate::plot::{self, Curve, Panel};
use crate::run::{METRICS, read};
use anyhow::{Context, bail};
use clap::Args;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// `wgrad compare`.
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// Run folders.
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// Draw their curves over one another, as SVG, PNG or a page of HTML, by the name's ending.
    #[arg(long, value_name = "FILE.svg|.png|.html", value_parser = drawing)]
    out: Option<PathBuf>,
}

/// A file whose ending says what it is to be.
fn drawing(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    let known = path.extension().is_some_and(|ending| ["svg", "png", "html"].iter().any(|e| ending == *e));
    if known {
        Ok(path)
    } else {
        Err(format!("expected a name that ends in .svg, .png or .html, got {text}"))
    }
}

/// What a run folder says.
pub struct Run {
    name: String,
    model: String,
    /// `learning rate` and so on, in words.
    pub settings: BTreeMap<String, String>,
    /// The names of the columns of its metrics.
    columns: Vec<String>,
    /// Rows of as many numbers.
    rows: Vec<Vec<f64>>,
}

impl Run {
    /// Reads settings and metrics.
    ///
    /// # Errors
    /// When it is no run's folder, or a row is none of numbers.
    pub fn read(folder: &Path) -> anyhow::Result<Self> {
        let (settings, _) = read(folder)?;
        let path = folder.join(METRICS);
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let (columns, rows) = table(&text).with_context(|| path.display().to_string())?;
        if rows.is_empty() {
            bail!(
                "{}: expected rows of numbers, got a head alone: the run has noted nothing yet",
                path.display()
            );
        }
        let mut flat = BTreeMap::new();
        flatten("", &settings, &mut flat);
        // Command lines, which say the rest once more.
        ["words", "data_words"].iter().for_each(|name| drop(flat.remove(*name)));
        let model = flat.remove("model").unwrap_or_else(|| "unknown".to_owned());
        Ok(Self { name: folder.display().to_string(), model, settings: flat, columns, rows })
    }

    /// The numbers of a column, none where there is no such column.
    pub fn column(&self, name: &str) -> impl Iterator<Item = f64> + '_ {
        let place = self.columns.iter().position(|column| column == name);
        self.rows.iter().filter_map(move |row| row.get(place?).copied())
    }

    /// The time it took: epochs have seconds of their own, steps those since the beginning.
    pub fn seconds(&self) -> Option<f64> {
        let by_epoch = self.columns.first().is_some_and(|first| first == "epoch");
        let last = self.column("seconds").last()?;
        Some(if by_epoch { self.column("seconds").sum() } else { last })
    }
}

/// The head and the rows of a table of numbers.
fn table(text: &str) -> anyhow::Result<(Vec<String>, Vec<Vec<f64>>)> {
    let mut lines = text.lines();
    let head = lines.next().context("expected a head, got an empty file")?;
    let columns: Vec<String> = head.split(',').map(str::to_owned).collect();
    let row = |(number, line): (usize, &str)| {
        let fields: Vec<&str> = line.split(',').collect();
        if fields.len() != columns.len() {
            bail!("row {}: expected {} numbers, got {line}", number + 2, columns.len());
        }
        let parse = |(field, column): (&&str, &String)| {
            let place = || format!("row {}, column {column}: expected a number, got {field}", number + 2);
            field.parse::<f64>().with_context(place)
        };
        fields.iter().zip(&columns).map(parse).collect()
    };
    let rows = lines.enumerate().map(row).collect::<anyhow::Result<_>>()?;
    Ok((columns, rows))
}

/// Settings by name, those within others without their names.
fn flatten(name: &str, value: &Value, into: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| flatten(name, value, into)),
        Value::Null => {}
        Value::String(text) => drop(into.insert(name.to_owned(), text.clone())),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
            into.insert(name.to_owned(), value.to_string());
        }
    }
}

/// The most of a setting that is printed.
const LONGEST: usize = 40;

/// What runs have set differently, as `lr 0.1, seed 2`; what tells of the program or of a long text is left out.
fn differences(runs: &[&Run]) -> Vec<String> {
    let names: BTreeSet<&String> = runs.iter().flat_map(|run| run.settings.keys()).collect();
    let differs = |name: &&&String| {
        let of = |run: &&Run| run.settings.get(**name).cloned();
        let values: BTreeSet<Option<String>> = runs.iter().map(of).collect();
        values.len() > 1 && !["vocabulary", "prompt"].contains(&name.as_str())
    };
    let different: Vec<&&String> = names.iter().filter(differs).collect();
    let words = |run: &&Run| {
        let one = |name: &&&String| {
            let value = run.settings.get(**name).map_or("none", String::as_str);
            let short: String = value.chars().take(LONGEST).collect();
            format!("{name} {short}{}", if short.len() < value.len() { ".." } else { "" })
        };
        different.iter().map(one).collect::<Vec<_>>().join(", ")
    };
    runs.iter().map(words).collect()
}

/// The columns that are curves: neither the first one, by which they go, nor speeds and times.
fn measured(run: &Run) -> impl Iterator<Item = &String> {
    let other = |column: &&String| *column != "seconds" && !column.ends_with("_per_second");
    run.columns.iter().skip(1).filter(other)
}

/// What a column measures, without what it was measured on.
fn measure(column: &str) -> &str {
    let parts = ["train_", "validation_", "test_"];
    parts.iter().find_map(|part| column.strip_prefix(part)).unwrap_or(column)
}

/// Whether the most of it is the best.
fn most_is_best(column: &str) -> bool {
    !["loss", "error", "perplexity"].iter().any(|low| measure(column).contains(low))
}

/// Reads, prints and draws.
pub fn run(args: &CompareArgs) -> anyhow::Result<()> {
    output::check_all([("--out", &args.out)])?;
    let runs: Vec<Run> = args.runs.iter().map(|folder| Run::read(folder)).collect::<anyhow::Result<_>>()?;
    let mut kinds: Vec<Vec<&Run>> = Vec::new();
    for run in &runs {
        match kinds.iter_mut().find(|kind| kind.iter().all(|other| other.columns == run.columns)) {
            Some(kind) => kind.push(run),
            None => kinds.push(vec![run]),
        }
    }
    let mut text = String::new();
    for kind in &kinds {
        text += &lines(kind);
    }
    print!("{text}");
    if let Some(path) = &args.out {
        let panels: Vec<Panel> = kinds.iter().flat_map(|kind| panels(kind)).collect();
        let picture = plot::panels(&panels)?;
        output::write(path, &form(path, &picture, &text))?;
        println!("wrote {}", path.display());
    }
    Ok(())
}

/// The bytes of the file that the name's ending asks for.
fn form(path: &Path, picture: &Picture, text: &str) -> Vec<u8> {
    let ending = path.extension().unwrap_or_default();
    if ending == "png" {
        return picture.png.clone();
    }
    if ending == "svg" {
        return picture.svg.clone().into_bytes();
    }
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    let page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>wgrad compare</title>\n<pre>{text}</pre>\n{}\n</html>\n",
        picture.svg
    );
    page.into_bytes()
}

/// The table of runs of one kind.
fn lines(runs: &[&Run]) -> String {
    let mut text = String::new();
    for (run, differs) in runs.iter().zip(differences(runs)) {
        let seconds = run.seconds().map_or(String::new(), |seconds| format!(", {seconds:.1} s"));
        let by = run.columns.first().map_or("row", String::as_str);
        let rows = run.rows.len();
        text += &format!("{}  {}, {rows} rows by {by}{seconds}\n", run.name, run.model);
        if !differs.is_empty() {
            text += &format!("    {differs}\n");
        }
        for column in measured(run) {
            let (value, most) = (|| run.column(column).filter(|v| v.is_finite()), most_is_best(column));
            let best = if most { value().reduce(f64::max) } else { value().reduce(f64::min) };
            let number = |value: Option<f64>| value.map_or("none".to_owned(), |value| format!("{value:.4}"));
            let last = run.column(column).last();
            text += &format!("    {column:20} best {:>10}  last {:>10}\n", number(best), number(last));
        }
    }
    text + "\n"
}

/// A panel for each measure, with a curve for each run and what it was measured on.
pub fn panels(runs: &[&Run]) -> Vec<Panel> {
    let Some(first) = runs.first() else { return Vec::new() };
    let by = first.columns.first().map_or("row", String::as_str);
    let mut panels: Vec<Panel> = Vec::new();
    for column in measured(first) {
        let title = measure(column);
        let curve = |(number, run): (usize, &&Run)| {
            let points = run.column(by).zip(run.column(column)).filter(|point| point.1.is_finite());
            let name =
                format!("{} {}", run.name, column.strip_suffix(title).unwrap_or("").trim_end_matches('_'));
            Curve {
                name: name.trim().to_owned(),
                color: number,
                faint: column.starts_with("train_"),
                points: points.collect(),
            }
        };
        let curves = runs.iter().enumerate().map(curve);
        match panels.iter_mut().find(|panel| panel.title == title) {
            Some(panel) => panel.curves.extend(curves),
            None => {
                panels.push(Panel { title: title.to_owned(), x: by.to_owned(), curves: curves.collect() })
            }
        }
    }
    panels
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run folder with one setting and some metrics.
    fn folder(place: &Path, name: &str, lr: f64, metrics: &str) -> PathBuf {
        let folder = place.join(name);
        fs::create_dir(&folder).unwrap();
        let settings = serde_json::json!({"model": "lenet", "training": {"lr": lr, "seed": 1}});
        fs::write(folder.join("run.json"), settings.to_string()).unwrap();
        fs::write(folder.join("metrics.csv"), metrics).unwrap();
        folder
    }

    const TRAIN: &str =
        "epoch,train_loss,test_loss,test_accuracy,seconds\n1,0.5,0.4,0.7,2\n2,0.3,0.45,0.9,3\n";

    #[test]
    fn runs_are_compared_among_their_kind() {
        let place = tempfile::tempdir().unwrap();
        let a = folder(place.path(), "a", 0.1, TRAIN);
        let b = folder(place.path(), "b", 0.2, TRAIN);
        let c = folder(place.path(), "c", 0.2, "step,train_loss,seconds\n10,NaN,1\n20,1.5,4\n");
        let read: Vec<Run> = [&a, &b, &c].map(|folder| Run::read(folder).unwrap()).into();
        let text = lines(&[&read[0], &read[1]]);
        assert!(text.contains("lr 0.1") && text.contains("lr 0.2") && !text.contains("seed"), "{text}");
        assert!(text.contains("test_loss            best     0.4000  last     0.4500"), "{text}");
        assert!(text.contains("test_accuracy        best     0.9000  last     0.9000"), "{text}");
        assert_eq!((read[0].seconds(), read[2].seconds()), (Some(5.0), Some(4.0)));
        assert!(lines(&[&read[2]]).contains("best     1.5000  last     1.5000"));
        let drawn = panels(&[&read[0], &read[1]]);
        let shape: Vec<_> = drawn.iter().map(|panel| (panel.title.as_str(), panel.curves.len())).collect();
        assert_eq!(shape, [("loss", 4), ("accuracy", 2)]);
        assert_eq!(panels(&[&read[2]])[0].curves[0].points, [(20.0, 1.5)]);
        for ending in ["svg", "png", "html"] {
            let out = place.path().join(format!("out.{ending}"));
            run(&CompareArgs { runs: vec![a.clone(), b.clone(), c.clone()], out: Some(out.clone()) })
                .unwrap();
            let bytes = fs::read(out).unwrap();
            let begins: &[u8] = match ending {
                "svg" => b"<svg",
                "png" => b"\x89PNG",
                _ => b"<!DOCTYPE html>",
            };
            assert!(bytes.starts_with(begins), "{ending}");
        }
    }

    #[test]
    fn a_bad_folder_is_named() {
        let place = tempfile::tempdir().unwrap();
        let head = "epoch,train_loss\n";
        for (name, metrics, part) in [
            ("empty", "", "empty file"),
            ("head", head, "noted nothing yet"),
            ("short", "epoch,train_loss\n1\n", "row 2: expected 2 numbers"),
            ("word", "epoch,train_loss\n1,0.5\n2,x\n", "row 3, column train_loss"),
        ] {
            let folder = folder(place.path(), name, 0.1, metrics);
            let error = format!("{:#}", Run::read(&folder).err().unwrap());
            assert!(error.contains(part) && error.contains(name), "{error}");
        }
        let error = format!("{:#}", Run::read(&place.path().join("gone")).err().unwrap());
        assert!(error.contains("gone"), "{error}");
    }
}
