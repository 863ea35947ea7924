//! cast: exact where the number has a value in the type, else its neighbour.

use super::super::line::{Fields, sizes};
use super::{Case, pick, seed, shape};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::graph::Tensor;
use crate::random::Rng;
use crate::verify::Fill;

pub(super) const OPS: &[&str] = &["cast"];

/// Numbers of one to five elements, so that the last four and the last word are not whole; and enough for several parts.
const TABLE: [&str; 20] = [
    "cast input=1 from=f32 to=f16",
    "cast input=5 from=f32 to=f16",
    "cast input=7x3 from=f16 to=f32",
    "cast input=3x37x41 from=f32 to=f16",
    "cast input=3x37x41 from=f16 to=f32",
    "cast input=scalar from=f16 to=f32",
    "cast input=6 from=f32 to=f16 data=real:3",
    "cast input=40x33 from=f32 to=f16 data=real:3",
    "cast input=33 from=f32 to=f16 data=real:1e-5",
    "cast input=33 from=f32 to=f16 data=real:60000",
    "cast input=20 from=f32 to=f16 data=edges",
    "cast input=20 from=f16 to=f32 data=edges",
    "cast input=3x5 from=u32 to=f32",
    "cast input=3x5 from=u32 to=f16",
    "cast input=3x5 from=f32 to=u32",
    "cast input=40x9 from=f32 to=u32 data=real:1e5",
    "cast input=28 from=f32 to=u32 data=edges",
    "cast input=28 from=f16 to=u32 data=edges",
    "cast input=9x5 from=f32 to=f16 then=f32 data=real:3",
    "cast input=9x5 from=f16 to=f16",
];

pub(super) fn lines() -> Vec<String> {
    TABLE.iter().map(|&text| text.to_owned()).collect()
}

/// A type by its name.
fn dtype(fields: &Fields<'_>, key: &'static str) -> Result<Option<DType>> {
    let known = [DType::F32, DType::F16, DType::U32];
    let Some(name) = fields.text(key) else { return Ok(None) };
    let found = known.into_iter().find(|dtype| dtype.wgsl() == name);
    found.map(Some).ok_or_else(|| Error::argument(key, "f32, f16 or u32", name))
}

pub(super) fn build(_op: &str, case: &mut Case, fields: &Fields<'_>) -> Result<()> {
    let from = dtype(fields, "from")?.unwrap_or(DType::F32);
    let shape = fields.shape("input")?;
    let input = if from == DType::U32 {
        case.input_filled("input", &shape, Fill::Indices(1 << 11))?
    } else {
        case.dtype = from;
        case.input("input", &shape)?
    };
    let mut output: Tensor = input.cast(dtype(fields, "to")?.unwrap_or(DType::F32))?;
    if let Some(then) = dtype(fields, "then")? {
        output = output.cast(then)?;
    }
    let slope = from.is_float() && output.ty().dtype.is_float();
    if !slope {
        case.output("output", &output);
        return Ok(());
    }
    case.dtype = output.ty().dtype;
    case.output_and_gradients(&output)
}

pub(super) fn random(_op: &str, rng: &mut Rng) -> String {
    let types = ["f32", "f16", "u32"];
    let (from, to) = (pick(rng, &types), pick(rng, &types));
    let data = pick(rng, &["integers:9", "real:3", "edges"]);
    format!("cast input={} from={from} to={to} data={data} seed={}", sizes(&shape(rng, 4, 5000)), seed(rng))
}
