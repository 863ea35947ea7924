//! Plots for the HTML report, as SVG that stands in the page.

use anyhow::anyhow;
use plotters::prelude::*;
use wgrad::bench::{Roofs, Row};

/// Colours of ops, easy to tell apart for the colour-blind (Okabe and Ito's palette).
const COLOURS: [RGBColor; 8] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(80, 80, 80),
    RGBColor(240, 228, 66),
];

/// What share a colour in the plot: op families.
fn family(op: &str) -> (usize, &'static str) {
    match op {
        "conv2d" => (0, "conv2d"),
        "matmul" | "linear" => (1, "matmul"),
        "max_pool2d" | "avg_pool2d" => (2, "pools"),
        "softmax" | "log_softmax" | "cross_entropy" | "argmax" => (3, "softmax, loss"),
        "sgd" | "adam" => (4, "optimizers"),
        "rnn_tanh" | "rnn_relu" | "lstm" | "gru" => (7, "recurrent"),
        "sum" | "mean" | "broadcast_to" | "flip" | "pad" | "interpolate" => (5, "sums, copies"),
        // A row without an op is a whole step.
        "" => (0, "training steps"),
        _ => (6, "element-wise"),
    }
}

/// The colour of an op, for the page.
pub fn colour(op: &str) -> String {
    let RGBColor(r, g, b) = COLOURS[family(op).0];
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// Operations a byte and operations a second of every case, under the measured roofs.
pub fn roofline(rows: &[Row], roofs: &Roofs) -> anyhow::Result<String> {
    let intensity = |row: &Row| row.flops as f64 / row.bytes.max(1) as f64;
    let points: Vec<(f64, f64, usize)> = rows
        .iter()
        .filter_map(|row| Some((intensity(row), row.rate(row.flops)?, family(&row.op).0)))
        .collect();
    let mut svg = String::new();
    draw(&mut svg, &points, roofs).map_err(|e| anyhow!("the roofline plot: {e}"))?;
    // The page sets the width; a fixed size would not shrink on small screens.
    Ok(svg.replacen("<svg width=\"900\" height=\"480\"", "<svg", 1))
}

type Failure = Box<dyn std::error::Error>;

fn draw(svg: &mut String, points: &[(f64, f64, usize)], roofs: &Roofs) -> Result<(), Failure> {
    let peak = roofs.flops / 1e9;
    let (memory, fastest) = (roofs.memory() / 1e9, roofs.bandwidth(0) / 1e9);
    let low_x = points.iter().map(|p| p.0).fold(peak / fastest / 4.0, f64::min) / 1.5;
    let high_x = points.iter().map(|p| p.0).fold(peak / memory * 4.0, f64::max) * 1.5;
    let low_y = points.iter().map(|p| p.1).fold(peak / 100.0, f64::min) / 1.5;
    let high_y = points.iter().map(|p| p.1).fold(peak, f64::max) * 2.0;
    // Whole decades: elsewhere the grid's lines crowd.
    let decades = |low: f64, high: f64| (10f64.powf(low.log10().floor()), 10f64.powf(high.log10().ceil()));
    let ((low_x, high_x), (low_y, high_y)) = (decades(low_x, high_x), decades(low_y, high_y));
    let root = SVGBackend::with_string(svg, (900, 480)).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .margin(12)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d((low_x..high_x).log_scale(), (low_y..high_y).log_scale())?;
    chart
        .configure_mesh()
        .x_desc("operations a byte (valid taps; every operand and result once)")
        .y_desc("GFLOP/s")
        .label_style(("sans-serif", 13))
        .axis_desc_style(("sans-serif", 14))
        .light_line_style(RGBColor(240, 240, 240))
        .x_label_formatter(&|v| tick(*v))
        .y_label_formatter(&|v| tick(*v))
        .draw()?;
    for (bandwidth, style) in [(memory, BLACK.stroke_width(2)), (fastest, BLACK.mix(0.4).stroke_width(1))] {
        let ridge = peak / bandwidth;
        let line = [(low_x, low_x * bandwidth), (ridge, peak), (high_x, peak)];
        chart.draw_series(LineSeries::new(line, style))?;
    }
    let label = ("sans-serif", 13).into_font();
    let words = |x: f64, y: f64, words: String| Text::new(words, (x, y), label.clone());
    chart.draw_series([words(high_x / 6.0, peak * 1.5, format!("{peak:.0} GFLOP/s f32"))])?;
    // Below its line a text has room to the right; above, the line must not run into its end.
    let at = |bandwidth: f64, off: f64| {
        let x = (low_x * 1.3).max(low_y * 4.0 / bandwidth);
        (x, x * bandwidth * off)
    };
    for (name, bandwidth, off) in [("memory", memory, 0.6), ("caches", fastest, 5.5)] {
        let (x, y) = at(bandwidth, off);
        chart.draw_series([words(x, y, format!("{name}, {bandwidth:.1} GB/s"))])?;
    }
    chart
        .draw_series(points.iter().map(|&(x, y, f)| Circle::new((x, y), 4, COLOURS[f].mix(0.75).filled())))?;
    root.present()?;
    Ok(())
}

/// Powers of ten as people write them.
fn tick(value: f64) -> String {
    if (0.01..1e5).contains(&value) { format!("{value}") } else { format!("{value:e}") }
}

/// The legend of [`roofline`], for the page.
pub fn legend(rows: &[Row]) -> Vec<(String, &'static str)> {
    let mut families: Vec<(usize, &'static str)> =
        rows.iter().filter(|r| r.timing.is_some()).map(|r| family(&r.op)).collect();
    families.sort_unstable();
    families.dedup();
    families
        .into_iter()
        .map(|(index, name)| {
            let RGBColor(r, g, b) = COLOURS[index];
            (format!("#{r:02x}{g:02x}{b:02x}"), name)
        })
        .collect()
}
