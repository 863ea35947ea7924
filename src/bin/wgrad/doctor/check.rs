//! Known answers: a few cases that use every kind of kernel, and a training step of a small network.

use super::findings::Answers;
use crate::network;
use wgrad::bench::train;
use wgrad::verify::report::{Row, rerun};
use wgrad::verify::{self, Adapter, Case, Effort, Line, Runner};

/// Each kind of kernel once, where results can be exact with small integers.
const CASES: [&str; 16] = [
    "matmul a=64x36 b=36x20 bias data=integers:3",
    "matmul a=31x65 b=13x31 trans_a trans_b data=real:1",
    "conv2d input=3x6x12x10 weight=8x3x3x3 bias padding=1 groups=2 data=integers:3",
    "conv2d input=2x16x12x12 weight=16x16x3x3 padding=1 data=real:1",
    "conv_transpose2d input=2x4x5x6 weight=4x3x3x3 stride=2 data=integers:3",
    "max_pool2d input=2x3x7x9 kernel=3 stride=2 padding=1",
    "batch_norm input=4x3x6x6 data=real:1",
    "layer_norm input=6x16 last=1 data=real:1",
    "softmax input=64x10 dim=1 data=real:4",
    "cross_entropy logits=64x10 reduction=mean data=real:4 seed=1",
    "sum input=3x5x7x11 dims=0,2",
    "embedding weight=10x16 indices=4x6 data=integers:9",
    "lstm sizes=5x3x7 data=real:1",
    "gru sizes=4x6x20 bias data=real:1",
    "gelu input=5x40 data=real:4",
    "cast input=40x33 from=f32 to=f16 data=real:3",
];

/// The network of the training step, and examples of its batch.
const NETWORK: (&str, usize) = ("lenet", 2);

/// Twice in fresh memory, and once with bounds checks.
const EFFORT: Effort = Effort { repeats: 2, variants: false, checked: true };

/// Tries the cases; `began` is told each before it runs, `selector` is what `--device` takes for the adapter.
///
/// # Errors
/// When a case is none, which does not happen.
pub fn cases(runner: &dyn Runner, selector: &str, began: &dyn Fn(&str)) -> wgrad::Result<Answers> {
    let mut answers = Answers::default();
    for text in CASES {
        began(text);
        let line: Line = text.parse()?;
        let case = Case::build(&line)?;
        match verify::run_on(&case, runner, EFFORT) {
            Ok(outcome) => answers.add(Row::new(0, &line, outcome, &rerun(&line, selector))),
            Err(error) => {
                // A device that failed says nothing about the next case.
                answers.add(Row::failed(0, &line, &error.to_string(), &rerun(&line, selector)));
                break;
            }
        }
    }
    Ok(answers)
}

/// Tries a training step: every node on what flows into it, then the program from end to end.
///
/// # Errors
/// When the network is none, which does not happen.
pub fn step(adapter: &Adapter, selector: &str, began: &dyn Fn(&str)) -> wgrad::Result<Answers> {
    let (name, batch) = NETWORK;
    began(&format!("a training step of {name}"));
    let network = network::step(train::named(name)?, batch)?;
    let mut answers = Answers::default();
    let rerun =
        |node| format!("wgrad parity --device {selector} --model {name} --batch-size {batch} --node {node}");
    network.hold(&[adapter], Effort::quick(), u64::MAX, &mut |site, _, found| {
        answers.add(Row::node(0, site, found, &rerun(site.node)));
    })?;
    match network.whole(adapter) {
        Ok(whole) => whole.outputs.iter().for_each(|output| answers.add(Row::end(0, output))),
        Err(error) => answers.add(Row::broken(0, &error.to_string())),
    }
    Ok(answers)
}

#[cfg(test)]
mod tests {
    use super::super::findings::{self, Tried, Verdict};
    use super::super::print;
    use super::*;
    use wgrad::kernels::Limits;
    use wgrad::plan::Plan;
    use wgrad::verify::Replay;

    /// An adapter of which the last word that a kernel wrote is off by a little in every result of a product.
    struct Faulty<'a>(&'a Adapter);

    impl Runner for Faulty<'_> {
        fn limits(&self) -> Limits {
            self.0.limits()
        }

        fn replay<'a>(&'a self, plan: &'a Plan, memory: &'a [Vec<u8>], checked: bool) -> Replay<'a> {
            let right = self.0.replay(plan, memory, checked);
            let product = plan.kernels.iter().any(|kernel| kernel.name.starts_with("matmul"));
            Box::pin(async move {
                let mut after = right.await?;
                if product {
                    // Where bytes differ from those before, a kernel wrote.
                    for (buffer, before) in after.iter_mut().zip(memory) {
                        let wrote = (0..buffer.len()).rev().find(|&i| buffer[i] != before[i]);
                        if let Some(place) = wrote {
                            buffer[place] ^= 1;
                        }
                    }
                }
                Ok(after)
            })
        }
    }

    #[test]
    fn known_answers_are_given_and_a_fault_is_told_with_the_command_that_shows_it() {
        let Ok(adapter) = Adapter::open(None, None) else {
            println!("SKIPPED: {}", wgrad::exec::NO_ADAPTER);
            return;
        };
        let right = cases(&adapter, "0", &|_| {}).unwrap();
        assert!(right.wrong.is_empty() && right.right + right.skipped == CASES.len(), "{right:?}");
        assert!(right.skipped <= 1, "{right:?}");
        let step = step(&adapter, "0", &|_| {}).unwrap();
        assert!(step.wrong.is_empty() && step.right > 20, "{step:?}");

        let faulty = cases(&Faulty(&adapter), "0", &|_| {}).unwrap();
        assert!(!faulty.wrong.is_empty() && faulty.right > 3, "{faulty:?}");
        let adapter = findings::Adapter {
            name: "A card".into(),
            kind: "discrete".into(),
            backend: "vulkan".into(),
            tried: Some(Tried { cases: faulty, step, ..Tried::default() }),
            ..findings::Adapter::default()
        };
        let text = print::summary(&adapter).join("\n");
        for part in ["WRONG", "matmul a=64x36", "expected", "wgrad parity --device 0 --case 'matmul a=64x36"]
        {
            assert!(text.contains(part), "no '{part}' in:\n{text}");
        }
        assert_eq!(findings::verdict(&[adapter], &Default::default()), Verdict::Wrong);
    }
}
