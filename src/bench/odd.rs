//! Odd but legal shapes: what no table of layers holds. Every draw depends on its seed alone.

use super::case::Case;
use crate::error::Result;
use crate::random::Rng;
use crate::verify::{self, Line};

/// A kind of unusual shapes.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// Its name.
    pub name: &'static str,
    /// A line of it; it need not be one that builds, or of a size worth measuring.
    draw: fn(&mut Rng) -> String,
}

/// All kinds.
pub const KINDS: [Kind; 20] = [
    Kind { name: "large kernel", draw: large_kernel },
    Kind { name: "kernel of the image", draw: whole_kernel },
    Kind { name: "one row", draw: one_row },
    Kind { name: "one column", draw: one_column },
    Kind { name: "few pixels", draw: few_pixels },
    Kind { name: "one channel", draw: one_channel },
    Kind { name: "many groups", draw: many_groups },
    Kind { name: "wide strides", draw: wide_strides },
    Kind { name: "thin product", draw: thin_product },
    Kind { name: "many products", draw: many_products },
    Kind { name: "vocabulary", draw: vocabulary },
    Kind { name: "long sum", draw: long_sum },
    Kind { name: "softmax", draw: softmax },
    Kind { name: "classes", draw: classes },
    Kind { name: "argmax", draw: argmax },
    Kind { name: "large window", draw: large_window },
    Kind { name: "copy", draw: copy },
    Kind { name: "broadcast", draw: broadcast },
    Kind { name: "long sequence", draw: long_sequence },
    Kind { name: "wide sequence", draw: wide_sequence },
];

/// Operations, or elements moved, of a forward pass that are worth a measurement and that the reference has done in a
/// fraction of a second.
const WORK: std::ops::RangeInclusive<u64> = 1 << 19..=1 << 27;
/// Elements of all tensors of a case, at most: each fits a binding of any device.
const MOST_ELEMENTS: usize = 1 << 25;
/// Draws until one has that much work.
const DRAWS: usize = 10_000;

/// `each` lines of every kind.
///
/// # Errors
/// When no draw of a kind has as much work as is worth a measurement.
pub fn lines(each: usize, seed: u64) -> Result<Vec<(&'static str, Line)>> {
    let mut all = Vec::new();
    for kind in KINDS {
        let mut rng = Rng::named(seed, kind.name);
        for _ in 0..each {
            all.push((kind.name, kind.line(&mut rng)?));
        }
    }
    Ok(all)
}

impl Kind {
    fn line(&self, rng: &mut Rng) -> Result<Line> {
        for _ in 0..DRAWS {
            let line: Line = (self.draw)(rng).parse()?;
            let cases = Case::of_line(self.name, &line).unwrap_or_default();
            let work = cases.first().map(Case::work).transpose()?;
            if work.is_some_and(|work| WORK.contains(&work))
                && verify::Case::build(&line)?.elements() <= MOST_ELEMENTS
            {
                return Ok(line);
            }
        }
        let expected = format!("a shape with {} to {} operations", WORK.start(), WORK.end());
        Err(crate::Error::argument(self.name, expected, format!("none in {DRAWS} draws")))
    }
}

/// A size from `least` to `most`, each power of two as likely as the next.
fn size(rng: &mut Rng, least: usize, most: usize) -> usize {
    let (low, high) = ((least as f64).ln(), (most as f64 + 1.0).ln());
    (rng.range(low, high).exp() as usize).clamp(least, most)
}

fn pick<T: Copy>(rng: &mut Rng, of: &[T]) -> T {
    of[rng.below(of.len())]
}

fn convolution([n, c, h, w]: [usize; 4], [k, c_group, r, s]: [usize; 4], how: &str) -> String {
    format!("conv2d input={n}x{c}x{h}x{w} weight={k}x{c_group}x{r}x{s}{how} data=real:1")
}

fn large_kernel(rng: &mut Rng) -> String {
    let [h, w] = [(); 2].map(|()| size(rng, 8, 48));
    let (r, s) = (size(rng, h.div_ceil(4), h), size(rng, w.div_ceil(4), w));
    let [n, c, k] = [size(rng, 1, 8), size(rng, 1, 64), size(rng, 1, 128)];
    let how = match rng.below(3) {
        0 => format!(" padding={},{},{},{}", r / 2, r / 2, s / 2, s / 2),
        _ => String::new(),
    };
    convolution([n, c, h, w], [k, c, r, s], &how)
}

fn whole_kernel(rng: &mut Rng) -> String {
    let [h, w] = [(); 2].map(|()| size(rng, 2, 40));
    let [n, c, k] = [size(rng, 1, 32), size(rng, 1, 128), size(rng, 1, 512)];
    convolution([n, c, h, w], [k, c, h - rng.below(2), w - rng.below(2)], "")
}

fn signal(rng: &mut Rng) -> [usize; 6] {
    let [n, c, length] = [size(rng, 1, 8), size(rng, 1, 32), size(rng, 500, 20_000)];
    [n, c, length, size(rng, 1, 64), size(rng, 1, 100), pick(rng, &[1, 1, 2, 3, 4])]
}

fn one_row(rng: &mut Rng) -> String {
    let [n, c, length, k, taps, stride] = signal(rng);
    convolution([n, c, 1, length], [k, c, 1, taps], &format!(" stride=1x{stride}"))
}

fn one_column(rng: &mut Rng) -> String {
    let [n, c, length, k, taps, stride] = signal(rng);
    convolution([n, c, length, 1], [k, c, taps, 1], &format!(" stride={stride}x1"))
}

fn few_pixels(rng: &mut Rng) -> String {
    let [n, c, k] = [size(rng, 1, 16), size(rng, 32, 2048), size(rng, 32, 2048)];
    let [h, w, r] = [size(rng, 1, 5), size(rng, 1, 5), pick(rng, &[1, 3, 5])];
    let pad = r / 2;
    convolution([n, c, h, w], [k, c, r, r], &format!(" padding={pad},{pad},{pad},{pad}"))
}

fn one_channel(rng: &mut Rng) -> String {
    let [n, h, w] = [size(rng, 1, 16), size(rng, 16, 256), size(rng, 16, 256)];
    let (many, r, s) = (size(rng, 1, 128), size(rng, 1, 13), size(rng, 1, 13));
    let (c, k) = pick(rng, &[(1, many), (many, 1), (1, 1), (2, many)]);
    convolution([n, c, h, w], [k, c, r, s], "")
}

fn many_groups(rng: &mut Rng) -> String {
    let [groups, c, k] = [size(rng, 2, 128), size(rng, 1, 16), size(rng, 1, 16)];
    let [n, h, w] = [size(rng, 1, 16), size(rng, 4, 64), size(rng, 4, 64)];
    let (r, stride) = (pick(rng, &[1, 3, 3, 5, 7]), pick(rng, &[1, 1, 2]));
    let pad = r / 2;
    let how = format!(" stride={stride}x{stride} padding={pad},{pad},{pad},{pad} groups={groups}");
    convolution([n, c * groups, h, w], [k * groups, c, r, r], &how)
}

fn wide_strides(rng: &mut Rng) -> String {
    let [n, c, h, w, k] =
        [size(rng, 1, 8), size(rng, 1, 64), size(rng, 16, 128), size(rng, 16, 128), size(rng, 1, 128)];
    let [r, s, stride_h, stride_w] = [(); 4].map(|()| size(rng, 1, 9));
    let [dilation_h, dilation_w] = [(); 2].map(|()| size(rng, 1, 6));
    let how = format!(" stride={stride_h}x{stride_w} dilation={dilation_h}x{dilation_w}");
    convolution([n, c, h, w], [k, c, r, s], &how)
}

fn thin_product(rng: &mut Rng) -> String {
    let mut sides = [size(rng, 1, 8), size(rng, 1, 64), size(rng, 1_000, 200_000)];
    rng.shuffle(&mut sides);
    let [m, k, n] = sides;
    match rng.below(2) {
        0 => format!("linear input={m}x{k} weight={n}x{k} bias data=real:1"),
        _ => format!("matmul a={m}x{k} b={k}x{n} data=real:1"),
    }
}

fn many_products(rng: &mut Rng) -> String {
    let (batch, [m, k, n]) = (size(rng, 64, 8192), [(); 3].map(|()| size(rng, 1, 48)));
    format!("matmul a={batch}x{m}x{k} b={batch}x{k}x{n} data=real:1")
}

fn vocabulary(rng: &mut Rng) -> String {
    let (rows, width) = (size(rng, 2, 100_000), size(rng, 1, 512));
    format!("embedding weight={rows}x{width} indices={} data=real:1", size(rng, 1, 20_000))
}

/// A tensor of which one dimension is long, and which that is.
fn long_and_short(rng: &mut Rng) -> ([usize; 3], usize) {
    let mut sizes = [size(rng, 1, 8), size(rng, 1, 512), size(rng, 1_000, 2_000_000)];
    rng.shuffle(&mut sizes);
    (sizes, rng.below(3))
}

fn long_sum(rng: &mut Rng) -> String {
    let ([a, b, c], dim) = long_and_short(rng);
    let dim = dim.to_string();
    let dims = pick(rng, &[&dim, "0,2", "1,2", "0,1,2"]);
    format!("sum input={a}x{b}x{c} dims={dims} data=real:1")
}

fn softmax(rng: &mut Rng) -> String {
    let ([a, b, c], dim) = long_and_short(rng);
    format!("{} input={a}x{b}x{c} dim={dim} data=real:4", pick(rng, &["softmax", "log_softmax"]))
}

fn classes(rng: &mut Rng) -> String {
    let mut sizes = [size(rng, 1, 64), size(rng, 2, 100_000)];
    rng.shuffle(&mut sizes);
    let ([n, classes], more) = (sizes, pick(rng, &["", "", "x7"]));
    let how = pick(rng, &["", " label_smoothing=0.1"]);
    format!("cross_entropy logits={n}x{}{more} reduction=mean{how} data=real:4", classes.max(2))
}

fn argmax(rng: &mut Rng) -> String {
    let ([a, b, c], dim) = long_and_short(rng);
    format!("argmax input={a}x{b}x{c} dim={dim} data=real:1")
}

fn large_window(rng: &mut Rng) -> String {
    let [n, c, h, w] = [size(rng, 1, 8), size(rng, 1, 64), size(rng, 1, 128), size(rng, 1, 512)];
    let (r, s) = (size(rng, h.div_ceil(4), h), size(rng, w.div_ceil(4), w));
    let (stride_h, stride_w) = pick(rng, &[(1, 1), (r, s), (1, s)]);
    let op = pick(rng, &["max_pool2d", "avg_pool2d"]);
    format!("{op} input={n}x{c}x{h}x{w} kernel={r}x{s} stride={stride_h}x{stride_w} data=real:1")
}

fn copy(rng: &mut Rng) -> String {
    let ([a, b, c], dim) = long_and_short(rng);
    let length = [a, b, c][dim];
    let how = match rng.below(3) {
        0 => format!("permute input={a}x{b}x{c} dims={}", pick(rng, &["2,1,0", "0,2,1", "1,0,2", "2,0,1"])),
        1 => format!("narrow input={a}x{b}x{c} dim={dim} start={} length={}", length / 3, length.div_ceil(3)),
        _ => format!(
            "split input={a}x{b}x{c} dim={dim} sizes={},{}",
            length.div_ceil(3),
            length - length.div_ceil(3)
        ),
    };
    format!("{how} data=real:1")
}

fn broadcast(rng: &mut Rng) -> String {
    let ([a, b, c], dim) = long_and_short(rng);
    let mut small = [a, b, c];
    small[dim] = 1;
    let [d, e, f] = small;
    match rng.below(2) {
        0 => format!("broadcast_to input={d}x{e}x{f} to={a}x{b}x{c} data=real:1"),
        _ => format!("{} a={a}x{b}x{c} b={d}x{e}x{f} data=real:1", pick(rng, &["add", "mul", "div"])),
    }
}

fn sequence(rng: &mut Rng, [steps, batch, hidden]: [usize; 3]) -> String {
    format!("{} sizes={steps}x{batch}x{hidden} bias data=real:1", pick(rng, &["lstm", "gru"]))
}

fn long_sequence(rng: &mut Rng) -> String {
    let sizes = [size(rng, 100, 1000), size(rng, 1, 4), size(rng, 4, 64)];
    sequence(rng, sizes)
}

fn wide_sequence(rng: &mut Rng) -> String {
    let sizes = [size(rng, 1, 20), size(rng, 1, 512), size(rng, 1, 256)];
    sequence(rng, sizes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_depend_on_the_seed_alone_and_have_the_work_that_was_asked_for() {
        let drawn = |seed: u64| -> Vec<String> {
            lines(3, seed).unwrap().into_iter().map(|(kind, line)| format!("{kind}: {line}")).collect()
        };
        let all = drawn(1);
        assert_eq!(all.len(), 3 * KINDS.len());
        assert_eq!(all, drawn(1));
        assert!(all.iter().zip(drawn(2)).filter(|(a, b)| *a == b).count() < KINDS.len());
        for (kind, line) in lines(3, 1).unwrap() {
            let cases = Case::of_line(kind, &line).unwrap();
            assert!(WORK.contains(&cases[0].work().unwrap()), "{line}");
        }
    }

    #[test]
    fn more_of_a_kind_leave_those_before_as_they_are() {
        let of = |each: usize| -> Vec<String> {
            let lines = lines(each, 7).unwrap().into_iter();
            lines.filter(|(kind, _)| *kind == "one row").map(|(_, line)| line.to_string()).collect()
        };
        assert_eq!(of(2), of(5)[..2]);
    }
}
