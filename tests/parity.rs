//! Every op and every gradient, on the best adapter of this machine, against the CPU reference: the table of
//! cases as `wgrad parity` runs it.
//!
//! `cargo test --test parity conv2d` runs one family.

use std::sync::OnceLock;
use wgrad::verify::{self, Adapter, Case, Effort, Line, Verdict};

/// The adapter, or `None` where there is none.
fn adapter() -> Option<&'static Adapter> {
    static ADAPTER: OnceLock<Result<Adapter, String>> = OnceLock::new();
    match ADAPTER.get_or_init(|| Adapter::open(None, None).map_err(|e| e.to_string())) {
        Ok(adapter) => Some(adapter),
        Err(reason) => {
            println!("SKIPPED: {reason}");
            None
        }
    }
}

fn check(family: &str, lines: &[Line], effort: Effort) {
    let Some(adapter) = adapter() else { return };
    let (mut failures, mut worst, mut exact, mut bounded, mut variants) = (Vec::new(), 0.0f64, 0, 0, 0);
    for line in lines {
        let case = Case::build(line).expect("a case of the table");
        let outcome = verify::run(&case, adapter, effort).expect("a device that works");
        match &outcome.verdict {
            Verdict::Pass => {}
            Verdict::Fail(failure) => {
                let numbers = failure.judgement.as_ref().and_then(|j| j.worst.as_ref());
                let numbers = numbers.map_or(String::new(), |w| format!("{w:?}"));
                let (variant, output, what) = (&failure.variant, &failure.output, &failure.what);
                failures
                    .push(format!("wgrad parity --case '{line}'\n  {variant}: {output}: {what} {numbers}"));
            }
            Verdict::Skipped(reason) => println!("SKIPPED {line}: {reason}"),
            Verdict::Mistrusted(reason) => failures.push(format!("MISTRUSTED {line}: {reason}")),
        }
        worst = worst.max(outcome.fraction);
        (exact, bounded, variants) =
            (exact + outcome.exact, bounded + outcome.bounded, variants + outcome.variants);
    }
    println!(
        "{family}: {} cases, {variants} variants, {exact} outputs exact, {bounded} within bounds (worst {worst:.2}), on {}",
        lines.len(),
        adapter.describe()
    );
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

macro_rules! families {
    ($($stem:ident),*) => {
        $(#[test]
        fn $stem() {
            let lines = verify::table(Some(stringify!($stem))).expect("a stem");
            check(stringify!($stem), &lines, Effort::quick());
        })*

        #[test]
        fn every_family_is_here() {
            assert_eq!(verify::stems(), [$(stringify!($stem)),*]);
        }
    };
}

/// Sizes and attributes that kernels tell apart and no frozen result of PyTorch has: held to the reference alone.
const MORE: [&str; 51] = [
    "max_pool2d input=2x4x20x16 kernel=8",
    "max_pool2d input=3x4x10x12 kernel=2x4 stride=3x4 padding=1,0,0,2",
    "max_pool2d input=2x4x12x12 kernel=3x2 stride=2x4 dilation=2x1",
    "max_pool2d input=40x8x2x2 kernel=9 stride=1 padding=4",
    "avg_pool2d input=3x5x8x16 kernel=8",
    "avg_pool2d input=3x5x9x12 kernel=4 ceil",
    "permute input=5x36x15x6 dims=0,2,3,1",
    "permute input=5x8x20x20 dims=0,2,3,1",
    "permute input=12x5x7x33 dims=3,1,2,0",
    "permute input=3x16x5x8x9 dims=0,4,2,3,1",
    "conv2d input=16x64x8x8 weight=64x64x3x3",
    "conv2d input=4x128x8x8 weight=64x128x3x3 padding=2",
    "conv2d input=2x40x11x12 weight=40x1x3x3 bias padding=1 groups=40",
    "conv2d input=3x16x9x14 weight=16x1x5x5 bias padding=2,1,3,2 groups=16",
    "conv2d input=3x20x13x9 weight=20x1x3x4 padding=2 dilation=2x1 groups=20",
    "sum input=2x300x57 dims=0,2 products",
    "sum input=8x16x7x8 dims=0,2,3 keepdim products",
    "sum input=28x32x64 dims=0,1 products",
    "sum input=5x32 dims=0 products",
    "sum input=20x5x600 dims=0,1,2 products",
    "sum input=3x9x8 dims=1,2 products",
    "sum input=28x32x64 dims=0,1 stretched",
    "sum input=20x5x600 dims=0,1,2 stretched",
    "sum input=5x7x9 dims=0,2 stretched",
    "conv2d input=2x5x9x9 weight=7x5x3x3 affine padding=1",
    "conv2d input=20x16x6x16 weight=16x16x3x3 affine padding=1",
    "conv2d input=4x8x16x24 weight=40x8x1x1 affine",
    "conv2d input=14x17x13x9 weight=17x1x3x4 affine padding=2,2,2,2 dilation=2x2 groups=17",
    "conv2d input=1x300001x1x1 weight=8x300001x1x1 affine",
    "matmul a=13x40 b=40x21 affine",
    "matmul a=3x64x64 b=64x64 affine",
    "amax input=2x300x57 dims=0,2 products",
    "amax input=5x7x9 dims=0,2 stretched",
    "var input=28x32x64 dims=0,1 correction=1 products",
    "var input=3x9x8 dims=1,2 correction=0 stretched",
    "norm input=8x16x7x8 dims=0,2,3 p=2 keepdim products",
    "norm input=5x32 dims=0 p=1 stretched",
    "logsumexp input=20x5x600 dims=0,1,2 products",
    "logsumexp input=28x32x64 dims=0,1 stretched",
    "argmin input=28x32x64 dim=1 products",
    "any input=5x32 dims=0 products",
    "batch_norm input=4x3x6x6 weight bias affine",
    "batch_norm input=5x3 affine",
    "batch_norm input=70x64x4 weight bias given affine",
    "group_norm input=2x32x6x6 groups=16 weight bias affine",
    "instance_norm input=3x5x7 affine",
    "layer_norm input=40x64 last=1 weight bias affine",
    "layer_norm input=2x3x4 last=2 affine",
    "rms_norm input=70x3 last=1 weight affine",
    "lstm sizes=120x2x7 bias",
    "gru sizes=60x17x7 reverse bias masked",
];

#[test]
fn more_than_pytorchs_results_have() {
    let lines =
        MORE.iter().flat_map(|line| ["integers:3", "real:1"].map(|data| format!("{line} data={data}")));
    let lines: Vec<Line> = lines.map(|line| line.parse().expect("a line")).collect();
    check("more", &lines, Effort::quick());
}

families!(
    adaptive_max_pool2d,
    argmax,
    avg_pool2d,
    axis_map,
    broadcast_to,
    cast,
    conv2d,
    copy,
    cross_entropy,
    ctc_loss,
    dropout,
    elementwise,
    embedding,
    equal,
    fractional_max_pool2d,
    gather,
    grid_sample,
    losses,
    matmul,
    max_pool2d,
    norm,
    optimizer,
    products,
    recurrent,
    reduce,
    reshape,
    select,
    softmax,
    sum
);

/// The 12 convolutions that must be refused are, with an error that names the op and what was wrong.
#[test]
fn refused_convolutions() {
    let refused = verify::refused_convolutions();
    assert_eq!(refused.len(), 12);
    for (tag, line) in refused {
        let error = Case::build(&line).expect_err(&tag).to_string();
        assert!(error.contains("expected") && error.contains("got"), "{tag}: {error}");
    }
}
