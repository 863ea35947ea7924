//! Recurrent layers in one direction: every kind, size, direction and mask.

use super::{Bound, Case, Fill};
use wgrad::ops::{Op, Recurrent, RecurrentKind};

const KINDS: [RecurrentKind; 4] =
    [RecurrentKind::RnnTanh, RecurrentKind::RnnRelu, RecurrentKind::Lstm, RecurrentKind::Gru];

/// Steps, batch and hidden size: ragged and whole vec4s, few rows and several workgroups of them, and hidden sizes
/// on both sides of the limit for whole sequences.
const SIZES: [[usize; 3]; 10] = [
    [1, 1, 1],
    [3, 2, 4],
    [5, 3, 7],
    [4, 6, 20],
    [7, 9, 33],
    [6, 17, 64],
    [28, 32, 128],
    [3, 5, 256],
    [4, 3, 257],
    [3, 18, 300],
];

/// numerics.md: relative L2 of `4 (1 + backward) ceil(log2(terms T)) 2^-23`.
fn bound([steps, _, hidden]: [usize; 3], backward: bool) -> Bound {
    let depth = f64::from((hidden * steps + 1) as u32).log2().ceil();
    Bound::Norm { relative: 4.0 * (1.0 + f64::from(u8::from(backward))) * depth * 2f64.powi(-23) }
}

fn case(sizes: [usize; 3], options: Recurrent) -> Case {
    let [steps, batch, hidden] = sizes;
    let (kind, width) = (options.kind, options.kind.gates() * hidden);
    let mut case = Case::new(format!("{} {sizes:?} {options}", kind.name()), bound(sizes, false));
    case.gradient_bound = Some(bound(sizes, true));
    let spread = 1.0 / (hidden as f64).sqrt();
    let mut inputs = vec![
        case.input("gates", &[steps, batch, width], Fill::Real(1.0)),
        case.input("weight_hh", &[width, hidden], Fill::Real(spread)),
        case.input("h0", &[batch, hidden], Fill::Real(1.0)),
    ];
    if kind == RecurrentKind::Lstm {
        inputs.push(case.input("c0", &[batch, hidden], Fill::Real(1.0)));
    }
    if options.bias {
        inputs.push(case.input("bias_hh", &[width], Fill::Real(0.5)));
    }
    let mask = options.masked.then(|| {
        // Not an f32 input, so that no gradient is asked of it.
        let lengths = case.input("lengths", &[batch], Fill::Indices(1));
        let value = |b: usize| (steps - b % steps) as u32;
        let values = wgrad::HostTensor::from_u32([batch], (0..batch).map(value).collect());
        case.inputs.last_mut().expect("just made").1 = values.expect("a length a row");
        lengths.sequence_mask(steps).expect("lengths")
    });
    inputs.extend(mask);
    let outputs = case.graph.apply(Op::Recurrent(options), &inputs.iter().collect::<Vec<_>>());
    let outputs = outputs.expect("fitting inputs");
    case.output("hidden", &outputs[0]);
    // The cells take part in the loss, so that their error comes back too.
    let output = match outputs.get(2) {
        Some(cells) => outputs[0].add(cells).expect("equal shapes"),
        None => outputs[0].clone(),
    };
    case.output_and_gradients(&output, Fill::Real(1.0)).expect("gradients");
    case
}

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for kind in KINDS {
        for sizes in SIZES {
            for (reverse, masked) in [(false, false), (true, false), (false, true), (true, true)] {
                // Every combination on small sizes; both ends on those whose shaders take long to compile.
                if sizes[2] > 7 && reverse != masked {
                    continue;
                }
                let bias = kind == RecurrentKind::Gru || masked;
                let mut case = case(sizes, Recurrent { kind, reverse, bias, masked });
                case.huge = sizes[2] >= 128;
                cases.push(case);
            }
        }
    }
    cases
}
