//! Pictures of a run, as SVG and PNG.

use crate::canvas::{Area, Picture, lost, picture};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use wgrad::train::{Confusion, EpochReport, Measures};

const TRAIN: RGBColor = RGBColor(31, 119, 180);
const TEST: RGBColor = RGBColor(214, 96, 20);

/// Loss and accuracy, or else the mean absolute error, by epoch, side by side: in training and where they were `evaluated`.
pub fn history(reports: &[EpochReport], evaluated: &str) -> anyhow::Result<Picture> {
    picture((960, 400), |root| {
        let (left, right) = root.split_horizontally(480);
        let of = |name: &str, scale: f64| -> Vec<(f64, f64)> {
            let value = |measures: &Measures| scale * measures.get(name).unwrap_or(f64::NAN);
            reports.iter().map(|report| (value(&report.train), value(&report.test))).collect()
        };
        panel(&left, "loss", evaluated, &of("loss", 1.0))?;
        let measured = |name: &str| reports.iter().any(|report| report.test.get(name).is_some());
        if measured("accuracy") {
            panel(&right, "accuracy, %", evaluated, &of("accuracy", 100.0))
        } else if measured("mae") {
            panel(&right, "mean absolute error", evaluated, &of("mae", 1.0))
        } else {
            Ok(())
        }
    })
}

/// The label of a place on an axis of whole numbers.
fn whole(x: f64) -> String {
    if (x - x.round()).abs() < 1e-6 { format!("{x:.0}") } else { String::new() }
}

/// One panel: the value of each epoch in training and where it was `evaluated`.
fn panel(area: &Area<'_>, title: &str, evaluated: &str, values: &[(f64, f64)]) -> anyhow::Result<()> {
    let all = || values.iter().flat_map(|&(a, b)| [a, b]);
    let (low, high) = (all().fold(f64::INFINITY, f64::min), all().fold(f64::NEG_INFINITY, f64::max));
    let margin = (0.08 * (high - low)).max(1e-3);
    let epochs = 0.8..values.len() as f64 + 0.2;
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 20))
        .margin(14)
        .x_label_area_size(40)
        .y_label_area_size(56)
        .build_cartesian_2d(epochs, low - margin..high + margin)
        .map_err(lost)?;
    chart
        .configure_mesh()
        .x_labels(values.len().clamp(3, 12))
        .x_label_formatter(&|&x| whole(x))
        .x_desc("epoch")
        .light_line_style(TRANSPARENT)
        .draw()
        .map_err(lost)?;
    let curve =
        |pick: fn(&(f64, f64)) -> f64| values.iter().enumerate().map(move |(i, v)| ((i + 1) as f64, pick(v)));
    for (name, color, points) in
        [("train", TRAIN, curve(|v| v.0).collect::<Vec<_>>()), (evaluated, TEST, curve(|v| v.1).collect())]
    {
        let line = LineSeries::new(points, color.stroke_width(2)).point_size(3);
        let legend = move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color.stroke_width(2));
        chart.draw_series(line).map_err(lost)?.label(name).legend(legend);
    }
    let border = BLACK.mix(0.3);
    chart.configure_series_labels().background_style(WHITE).border_style(border).draw().map_err(lost)
}

/// The colors of curves, in order.
const COLORS: [RGBColor; 8] = [
    TRAIN,
    TEST,
    RGBColor(44, 140, 60),
    RGBColor(120, 90, 160),
    RGBColor(150, 20, 50),
    RGBColor(0, 150, 160),
    RGBColor(150, 110, 20),
    RGBColor(80, 80, 80),
];

/// Named curves of points `(x, y)`, `x` whole, in one panel.
pub fn curves(title: &str, x: &str, curves: &[(&str, Vec<(f64, f64)>)]) -> anyhow::Result<Picture> {
    let range = |pick: fn(&(f64, f64)) -> f64, above: f64| {
        let all = || curves.iter().flat_map(|(_, points)| points).map(pick);
        let (low, high) = (all().fold(f64::INFINITY, f64::min), all().fold(f64::NEG_INFINITY, f64::max));
        let margin = (0.04 * (high - low)).max(1e-3);
        low - margin..high + margin + above * (high - low)
    };
    picture((960, 400), |root| {
        let mut chart = ChartBuilder::on(root)
            .caption(title, ("sans-serif", 20))
            .margin(14)
            .x_label_area_size(40)
            .y_label_area_size(56)
            // Room for the legend, so that it hides no curve.
            .build_cartesian_2d(range(|p| p.0, 0.0), range(|p| p.1, 0.2))
            .map_err(lost)?;
        let mut mesh = chart.configure_mesh();
        mesh.x_desc(x).x_label_formatter(&|&x| whole(x)).light_line_style(TRANSPARENT);
        mesh.draw().map_err(lost)?;
        for ((name, points), &color) in curves.iter().zip(COLORS.iter().cycle()) {
            let line = LineSeries::new(points.iter().copied(), color.stroke_width(2));
            let legend = move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color.stroke_width(2));
            chart.draw_series(line).map_err(lost)?.label(*name).legend(legend);
        }
        let border = BLACK.mix(0.3);
        let mut legend = chart.configure_series_labels();
        legend.position(SeriesLabelPosition::UpperRight).background_style(WHITE).border_style(border);
        legend.draw().map_err(lost)
    })
}

/// Curves over one another.
pub struct Panel {
    /// What they show.
    pub title: String,
    /// What they go by.
    pub x: String,
    /// Where a color has several, the faint one goes with the other.
    pub curves: Vec<Curve>,
}

/// Named points.
pub struct Curve {
    /// As in the legend.
    pub name: String,
    /// Its place among the colors.
    pub color: usize,
    /// Whether it is in the background.
    pub faint: bool,
    /// Ascending in `x`.
    pub points: Vec<(f64, f64)>,
}

/// Panels one above the other.
pub fn panels(panels: &[Panel]) -> anyhow::Result<Picture> {
    const HEIGHT: u32 = 420;
    picture((960, HEIGHT * panels.len().max(1) as u32), |root| {
        let areas = root.split_evenly((panels.len().max(1), 1));
        panels.iter().zip(&areas).try_for_each(|(panel, area)| overlay(area, panel))
    })
}

/// The range of values, with a margin of its share; a single value has one, too.
fn range(values: impl Iterator<Item = f64>, margin: f64) -> std::ops::Range<f64> {
    let ends = |(low, high): (f64, f64), value: f64| (low.min(value), high.max(value));
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), ends);
    let (low, high) = if low <= high { (low, high) } else { (0.0, 1.0) };
    let margin = (margin * (high - low)).max(1e-3);
    low - margin..high + margin
}

fn overlay(area: &Area<'_>, panel: &Panel) -> anyhow::Result<()> {
    let points = || panel.curves.iter().flat_map(|curve| &curve.points);
    let mut y = range(points().map(|point| point.1), 0.05);
    // Room for the legend, a line of which is a twentieth of the height.
    y.end += (y.end - y.start) * (0.05 + 0.07 * panel.curves.len().min(12) as f64);
    let mut chart = ChartBuilder::on(area)
        .caption(&panel.title, ("sans-serif", 20))
        .margin(14)
        .x_label_area_size(40)
        .y_label_area_size(56)
        .build_cartesian_2d(range(points().map(|point| point.0), 0.02), y)
        .map_err(lost)?;
    let mut mesh = chart.configure_mesh();
    mesh.x_desc(&panel.x).x_label_formatter(&|&x| whole(x)).light_line_style(TRANSPARENT);
    mesh.draw().map_err(lost)?;
    for curve in &panel.curves {
        let color = COLORS[curve.color % COLORS.len()].mix(if curve.faint { 0.4 } else { 1.0 });
        let line = LineSeries::new(curve.points.iter().copied(), color.stroke_width(2)).point_size(2);
        let legend = move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color.stroke_width(2));
        chart.draw_series(line).map_err(lost)?.label(&curve.name).legend(legend);
    }
    let mut legend = chart.configure_series_labels();
    legend.position(SeriesLabelPosition::UpperRight).background_style(WHITE).border_style(BLACK.mix(0.3));
    legend.draw().map_err(lost)
}

/// A square a pair of classes: rows are the true class, columns the predicted one, darkness the row's share. Classes
/// that have no name are called by their number. With many classes squares and numbers are smaller, and numbers that do not
/// fit are left out.
pub fn confusion(confusion: &Confusion, names: &[String]) -> anyhow::Result<Picture> {
    const EDGE: i32 = 64;
    let classes = confusion.classes() as i32;
    let cell = (1100 / classes.max(1)).clamp(16, 48);
    let side = (EDGE + classes * cell + 16) as u32;
    picture((side, side), |root| {
        let text = |size: i32, color: &RGBColor| {
            ("sans-serif", size).into_font().color(color).pos(Pos::new(HPos::Center, VPos::Center))
        };
        let label = |words: String, x: i32, y: i32, size: i32, color: &RGBColor| {
            root.draw(&Text::new(words, (x, y), text(size, color))).map_err(lost)
        };
        label("predicted class".into(), EDGE + classes * cell / 2, 16, 15, &BLACK)?;
        let upright = text(15, &BLACK).transform(FontTransform::Rotate270);
        root.draw(&Text::new("true class", (16, EDGE + classes * cell / 2), upright)).map_err(lost)?;
        for row in 0..classes {
            let name = names.get(row as usize).map_or_else(|| row.to_string(), |name| short(name));
            let size = font(cell, 3.max(name.chars().count())).clamp(8, 15);
            label(name.clone(), EDGE - 16, EDGE + row * cell + cell / 2, size, &BLACK)?;
            label(name, EDGE + row * cell + cell / 2, EDGE - 16, size, &BLACK)?;
            let all = confusion.of_class(row as usize).max(1) as f64;
            for column in 0..classes {
                let count = confusion.count(row as usize, column as usize);
                let share = count as f64 / all;
                // The root makes single mistakes visible beside hundreds of hits.
                let shade = |full: u8| (255.0 - (255.0 - f64::from(full)) * share.sqrt()) as u8;
                let fill = RGBColor(shade(TRAIN.0), shade(TRAIN.1), shade(TRAIN.2));
                let (x, y) = (EDGE + column * cell, EDGE + row * cell);
                root.draw(&Rectangle::new([(x, y), (x + cell - 1, y + cell - 1)], fill.filled()))
                    .map_err(lost)?;
                let words = count.to_string();
                let size = font(cell, words.len());
                if count > 0 && size >= SMALLEST {
                    let ink = if share > 0.35 { WHITE } else { BLACK };
                    label(words, x + cell / 2, y + cell / 2, size, &ink)?;
                }
            }
        }
        Ok(())
    })
}

/// A name as there is room for it beside a square.
fn short(name: &str) -> String {
    name.chars().take(8).collect()
}

/// The smallest size of a font that is read without a glass.
const SMALLEST: i32 = 6;

/// The size at which so many digits fit a square.
fn font(cell: i32, digits: usize) -> i32 {
    // A digit is not quite 0.6 of the size wide.
    ((f64::from(cell - 3) / (0.6 * digits.max(2) as f64)) as i32).min(14)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_has_its_label_and_numbers_stay_within_their_squares() {
        for (classes, first) in [(10, 0), (26, 1), (47, 0), (256, 0)] {
            let mut counts = Confusion::new(classes);
            (0..classes).for_each(|class| (0..123).for_each(|_| counts.add(class, class)));
            let names: Vec<String> = (0..classes).map(|class| (class + first).to_string()).collect();
            let svg = confusion(&counts, &names).unwrap();
            let last = first + classes - 1;
            let labels = svg.lines().filter(|line| line.trim() == last.to_string()).count();
            assert_eq!(labels, 2 + if last == 123 { classes } else { 0 }, "{classes} classes");
            assert_eq!(
                svg.lines().filter(|line| line.trim() == "123").count() >= classes,
                font(16.max(1100 / classes as i32).min(48), 3) >= SMALLEST
            );
            let side: usize = svg.split('"').nth(1).unwrap().parse().unwrap();
            assert!(side <= 64 + 16 + 16 * classes.max(69), "{classes} classes are {side} pixels wide");
        }
        for cell in 16..=48 {
            for digits in 1..=6 {
                assert!(
                    font(cell, digits) as f64 * 0.6 * digits as f64 <= f64::from(cell),
                    "{cell} {digits}"
                );
            }
        }
    }
}
