//! Fills the shapes of an op into the text of its shader.
//!
//! The files under `shaders/` are WGSL with Jinja's `{{ value }}`, `{% for %}` and `{% if %}`: naga never
//! emits unrolled loops and drivers do not always unroll, so register tiles are unrolled here.

use crate::error::Mismatch;
use minijinja::{Environment, UndefinedBehavior, Value, context};
use std::sync::OnceLock;

const SOURCES: &[(&str, &str)] = &[
    ("common/four.wgsl", include_str!("../../shaders/common/four.wgsl")),
    ("common/group.wgsl", include_str!("../../shaders/common/group.wgsl")),
    ("common/pair.wgsl", include_str!("../../shaders/common/pair.wgsl")),
    ("common/units.wgsl", include_str!("../../shaders/common/units.wgsl")),
    ("common/matmul.wgsl", include_str!("../../shaders/common/matmul.wgsl")),
    ("common/parameters.wgsl", include_str!("../../shaders/common/parameters.wgsl")),
    ("common/nan.wgsl", include_str!("../../shaders/common/nan.wgsl")),
    ("common/math.wgsl", include_str!("../../shaders/common/math.wgsl")),
    ("common/functions.wgsl", include_str!("../../shaders/common/functions.wgsl")),
    ("common/avg_window.wgsl", include_str!("../../shaders/common/avg_window.wgsl")),
    ("common/threefry.wgsl", include_str!("../../shaders/common/threefry.wgsl")),
    ("common/recurrent.wgsl", include_str!("../../shaders/common/recurrent.wgsl")),
    ("common/recurrent_memory.wgsl", include_str!("../../shaders/common/recurrent_memory.wgsl")),
    ("common/recurrent_rows.wgsl", include_str!("../../shaders/common/recurrent_rows.wgsl")),
    ("common/chain.wgsl", include_str!("../../shaders/common/chain.wgsl")),
    ("common/row.wgsl", include_str!("../../shaders/common/row.wgsl")),
    ("common/conv2d_lines.wgsl", include_str!("../../shaders/common/conv2d_lines.wgsl")),
    ("common/conv2d_terms.wgsl", include_str!("../../shaders/common/conv2d_terms.wgsl")),
    ("common/conv2d_products.wgsl", include_str!("../../shaders/common/conv2d_products.wgsl")),
    ("common/conv2d_phases.wgsl", include_str!("../../shaders/common/conv2d_phases.wgsl")),
    ("common/conv2d_quarter.wgsl", include_str!("../../shaders/common/conv2d_quarter.wgsl")),
    ("common/winograd.wgsl", include_str!("../../shaders/common/winograd.wgsl")),
    ("argmax.wgsl", include_str!("../../shaders/argmax.wgsl")),
    ("adam.wgsl", include_str!("../../shaders/adam.wgsl")),
    ("avg_pool2d.wgsl", include_str!("../../shaders/avg_pool2d.wgsl")),
    ("avg_pool2d_backward.wgsl", include_str!("../../shaders/avg_pool2d_backward.wgsl")),
    ("bench_empty.wgsl", include_str!("../../shaders/bench_empty.wgsl")),
    ("bench_fma.wgsl", include_str!("../../shaders/bench_fma.wgsl")),
    ("bench_stream.wgsl", include_str!("../../shaders/bench_stream.wgsl")),
    ("bench_workgroup.wgsl", include_str!("../../shaders/bench_workgroup.wgsl")),
    ("broadcast_to.wgsl", include_str!("../../shaders/broadcast_to.wgsl")),
    ("channels_last.wgsl", include_str!("../../shaders/channels_last.wgsl")),
    ("conv2d.wgsl", include_str!("../../shaders/conv2d.wgsl")),
    ("conv2d_backward_weight.wgsl", include_str!("../../shaders/conv2d_backward_weight.wgsl")),
    ("count_turns.wgsl", include_str!("../../shaders/count_turns.wgsl")),
    ("copy.wgsl", include_str!("../../shaders/copy.wgsl")),
    ("cross_entropy.wgsl", include_str!("../../shaders/cross_entropy.wgsl")),
    ("cross_entropy_backward.wgsl", include_str!("../../shaders/cross_entropy_backward.wgsl")),
    ("dropout.wgsl", include_str!("../../shaders/dropout.wgsl")),
    ("embedding.wgsl", include_str!("../../shaders/embedding.wgsl")),
    ("embedding_backward.wgsl", include_str!("../../shaders/embedding_backward.wgsl")),
    ("embedding_blocks.wgsl", include_str!("../../shaders/embedding_blocks.wgsl")),
    ("embedding_rows.wgsl", include_str!("../../shaders/embedding_rows.wgsl")),
    ("embedding_sort.wgsl", include_str!("../../shaders/embedding_sort.wgsl")),
    ("embedding_starts.wgsl", include_str!("../../shaders/embedding_starts.wgsl")),
    ("elementwise.wgsl", include_str!("../../shaders/elementwise.wgsl")),
    ("finite.wgsl", include_str!("../../shaders/finite.wgsl")),
    ("equal.wgsl", include_str!("../../shaders/equal.wgsl")),
    ("increment.wgsl", include_str!("../../shaders/increment.wgsl")),
    ("matmul.wgsl", include_str!("../../shaders/matmul.wgsl")),
    ("conv2d_direct.wgsl", include_str!("../../shaders/conv2d_direct.wgsl")),
    ("conv2d_direct_weight.wgsl", include_str!("../../shaders/conv2d_direct_weight.wgsl")),
    ("conv2d_spread.wgsl", include_str!("../../shaders/conv2d_spread.wgsl")),
    ("conv2d_workgroup.wgsl", include_str!("../../shaders/conv2d_workgroup.wgsl")),
    (
        "conv2d_backward_weight_workgroup.wgsl",
        include_str!("../../shaders/conv2d_backward_weight_workgroup.wgsl"),
    ),
    ("common/workgroup_blocks.wgsl", include_str!("../../shaders/common/workgroup_blocks.wgsl")),
    ("common/workgroup_product.wgsl", include_str!("../../shaders/common/workgroup_product.wgsl")),
    ("matmul_workgroup.wgsl", include_str!("../../shaders/matmul_workgroup.wgsl")),
    ("max_pool2d.wgsl", include_str!("../../shaders/max_pool2d.wgsl")),
    ("max_pool2d_backward.wgsl", include_str!("../../shaders/max_pool2d_backward.wgsl")),
    ("narrow_backward.wgsl", include_str!("../../shaders/narrow_backward.wgsl")),
    ("recurrent.wgsl", include_str!("../../shaders/recurrent.wgsl")),
    ("recurrent_backward.wgsl", include_str!("../../shaders/recurrent_backward.wgsl")),
    ("sequence_mask.wgsl", include_str!("../../shaders/sequence_mask.wgsl")),
    ("sgd.wgsl", include_str!("../../shaders/sgd.wgsl")),
    ("softmax.wgsl", include_str!("../../shaders/softmax.wgsl")),
    ("softmax_backward.wgsl", include_str!("../../shaders/softmax_backward.wgsl")),
    ("sum.wgsl", include_str!("../../shaders/sum.wgsl")),
    ("sum_columns.wgsl", include_str!("../../shaders/sum_columns.wgsl")),
    ("sum_partials.wgsl", include_str!("../../shaders/sum_partials.wgsl")),
    ("where_.wgsl", include_str!("../../shaders/where_.wgsl")),
    ("winograd_error.wgsl", include_str!("../../shaders/winograd_error.wgsl")),
    ("winograd_gradient.wgsl", include_str!("../../shaders/winograd_gradient.wgsl")),
    ("winograd_input.wgsl", include_str!("../../shaders/winograd_input.wgsl")),
    ("winograd_output.wgsl", include_str!("../../shaders/winograd_output.wgsl")),
    ("winograd_weight.wgsl", include_str!("../../shaders/winograd_weight.wgsl")),
];

/// The shader files, name and text, as they are compiled into the library.
pub fn sources() -> &'static [(&'static str, &'static str)] {
    SOURCES
}

fn environment() -> Result<&'static Environment<'static>, minijinja::Error> {
    static ENVIRONMENT: OnceLock<Environment<'static>> = OnceLock::new();
    if let Some(ready) = ENVIRONMENT.get() {
        return Ok(ready);
    }
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_trim_blocks(true);
    env.set_lstrip_blocks(true);
    for (name, text) in SOURCES {
        env.add_template(name, text)?;
    }
    Ok(ENVIRONMENT.get_or_init(|| env))
}

/// The text of shader `name`, run on `groups` workgroups of which `grid_x` lie along x.
pub(super) fn render(name: &str, groups: usize, grid_x: usize, values: Value) -> Result<String, Mismatch> {
    let text = || -> Result<String, minijinja::Error> {
        let template = environment()?.get_template(&format!("{name}.wgsl"))?;
        template.render(context! { groups, grid_x, ..values })
    };
    text().map_err(|e| Mismatch::new(format!("a shader template '{name}' that renders"), format!("{e:#}")))
}

/// A float as a WGSL literal that reads back as the same bits.
pub(super) fn literal(value: f32) -> String {
    format!("{value:?}f")
}
