//! An image read at the points of a grid: `shaders/grid_sample.wgsl`; the gradient by the grid:
//! `shaders/grid_sample_backward_grid.wgsl`; that by the image, where points are sorted by the cell that they lie in
//! (`shaders/grid_sample_cells.wgsl`, `shaders/embedding_sort.wgsl`,
//! `shaders/embedding_starts.wgsl`) and each pixel adds up those around it: `shaders/grid_sample_backward_input.wgsl`.

use super::embedding::{searched, sorted};
use super::ranges::{Lies, Part, parts};
use super::{Access, Binding, Launch, Limits, Lower, Lowering, Operand, Refusal, Site, iterations, launch};
use crate::error::Mismatch;
use crate::ops::{
    GridMode, GridPadding, GridSample, GridSampleBackwardGrid, GridSampleBackwardInput, GridSizes,
};
use minijinja::{Value, context};

/// Channels of which an invocation computes its point or pixel.
const CHANNELS: usize = 4;

/// The template values of all shaders.
fn values(options: &GridSample, sizes: &GridSizes) -> Value {
    let padding = match options.padding_mode {
        GridPadding::Zeros => "zeros",
        GridPadding::Border => "border",
        GridPadding::Reflection => "reflection",
    };
    context! {
        padding, align => options.align_corners, nearest => options.mode == GridMode::Nearest,
        channels => sizes.channels, h => sizes.h, w => sizes.w, points => sizes.points(),
    }
}

/// The channels of all images, and the grid.
struct Tensors {
    sizes: GridSizes,
}

impl Tensors {
    /// An image's channels of so many elements, along images and channels.
    fn channels(&self, operand: Operand, plane: usize) -> Lies {
        let row = self.sizes.channels * plane;
        Lies::of(operand, vec![row, plane], self.sizes.images * row).item(plane)
    }

    /// The same along images alone.
    fn images(&self, operand: Operand, plane: usize) -> Lies {
        let row = self.sizes.channels * plane;
        Lies::of(operand, vec![row], self.sizes.images * row).item(row)
    }

    /// The points of images.
    fn grid(&self, operand: Operand) -> Lies {
        let row = 2 * self.sizes.points();
        Lies::of(operand, vec![row], self.sizes.images * row).item(row)
    }

    /// The points of images, the same for all channels.
    fn grid_of_channels(&self, operand: Operand) -> Lies {
        Lies { strides: vec![2 * self.sizes.points(), 0], ..self.grid(operand) }
    }

    fn plane(&self) -> usize {
        self.sizes.h * self.sizes.w
    }
}

impl Lower for GridSample {
    fn lower(&self, site: &Site<'_>) -> Result<Lowering, Refusal> {
        let limits = site.limits;
        let sizes = self.sizes(&site.inputs[0].shape, site.inputs[1])?;
        let tensors = Tensors { sizes };
        let (points, many) = (sizes.points(), CHANNELS.min(sizes.channels));
        let input = tensors.channels(Operand::Input(0), tensors.plane());
        let grid = tensors.grid_of_channels(Operand::Input(1));
        let output = tensors.channels(Operand::Output(0), points);
        let part = |part: Part| {
            let (read, first_input) = part.bind(&input, Access::Read, limits);
            let (positions, first_grid) = part.bind(&grid, Access::Read, limits);
            let (written, first_output) = part.bind(&output, Access::Write, limits);
            let [images, planes] = [part.ranges[0].len(), part.ranges[1].len()];
            let tiles = planes.div_ceil(many);
            let values = context! {
                images, planes, tiles, many, first_input, first_grid, first_output, cut => !part.whole,
                ..values(self, &sizes)
            };
            let groups = (images * tiles * points).div_ceil(64);
            let why = format!("one point of {many} channels per invocation{}", part.why());
            let iterations = iterations::of_loop(many, 0);
            launch(limits, "grid_sample", groups, iterations, vec![read, positions, written], why, values)
        };
        let all = [input.clone(), grid.clone(), output.clone()];
        let cut = parts(&[sizes.images, sizes.channels], &[1, many], &all, limits)?;
        let launches = cut.into_iter().map(part).collect::<Result<_, Mismatch>>()?;
        Ok(Lowering { launches, ..Lowering::default() })
    }
}

impl Lower for GridSampleBackwardGrid {
    /// Cut by images, and by channels where there are more than an invocation has iterations for.
    fn lower(&self, site: &Site<'_>) -> Result<Lowering, Refusal> {
        let limits = site.limits;
        let sizes = self.0.sizes(&site.inputs[1].shape, site.inputs[2])?;
        let (tensors, points) = (Tensors { sizes }, sizes.points());
        let error = tensors.images(Operand::Input(0), points);
        let input = tensors.images(Operand::Input(1), tensors.plane());
        let (grid, output) = (tensors.grid(Operand::Input(2)), tensors.grid(Operand::Output(0)));
        let all = [error.clone(), input.clone(), grid.clone(), output.clone()];
        let mut launches = Vec::new();
        for part in parts(&[sizes.images], &[1], &all, limits)? {
            let (errors, first_error) = part.bind(&error, Access::Read, limits);
            let (read, first_input) = part.bind(&input, Access::Read, limits);
            let (positions, first_grid) = part.bind(&grid, Access::Read, limits);
            let (written, first_output) = part.bind(&output, Access::Write, limits);
            for piece in iterations::runs(sizes.channels, limits) {
                let values = context! {
                    images => part.positions(), first_error, first_input, first_grid, first_output, cut => !part.whole,
                    ..context! { ..piece.values(), ..values(&self.0, &sizes) }
                };
                launches.push(launch(
                    limits,
                    Self::KERNEL,
                    (part.positions() * points).div_ceil(64),
                    piece.iterations,
                    vec![errors, read, positions, written],
                    format!("one point per invocation{}{}", part.why(), piece.why()),
                    values,
                )?);
            }
        }
        Ok(Lowering { launches, ..Lowering::default() })
    }
}

impl GridSampleBackwardGrid {
    const KERNEL: &'static str = "grid_sample_backward_grid";
}

/// Sorted points, two copies of which alternate while runs are merged, and where the cells begin in them.
const POSITIONS: [Operand; 2] = [Operand::Workspace(0), Operand::Workspace(1)];
const STARTS: Operand = Operand::Workspace(2);

impl Lower for GridSampleBackwardInput {
    /// Cut by images, whose points are sorted together, and by channels where errors or gradients do not fit a binding.
    fn lower(&self, site: &Site<'_>) -> Result<Lowering, Refusal> {
        let limits = site.limits;
        let sizes = self.options.sizes(&self.input, site.inputs[1])?;
        let (tensors, points, cells) = (Tensors { sizes }, sizes.points(), sizes.cells());
        let grid = tensors.grid(Operand::Input(1));
        // As the scratch of a part lies.
        let starts = Lies::of(STARTS, vec![cells], sizes.images * cells + 1).item(cells + 1);
        let (mut launches, mut most) = (Vec::new(), 0);
        for part in parts(&[sizes.images], &[1], &[grid.clone(), starts], limits)? {
            let images = part.positions();
            most = images.max(most);
            let (positions, first_grid) = part.bind(&grid, Access::Read, limits);
            let values = context! { images, first_grid, ..values(&self.options, &sizes) };
            let count = images * points;
            // Keys lie where the first merge will write.
            let bindings = vec![positions, Binding::write(POSITIONS[1])];
            let why = format!("finds the cells of points{}", part.why());
            let keys =
                launch(limits, "grid_sample_cells", count.div_ceil(64), 0, bindings, why, values.clone())?;
            launches.push(keys);
            let (sorting, by_cell) = sorted(count, None, POSITIONS[1], POSITIONS, limits)?;
            launches.extend(sorting);
            let rows = context! { rows => images * cells, count };
            let bindings = vec![Binding::read(by_cell), Binding::write(STARTS)];
            let (groups, iterations) = ((images * cells + 1).div_ceil(64), searched(count));
            let why = "where each cell begins among the sorted points";
            launches.push(launch(limits, "embedding_starts", groups, iterations, bindings, why, rows)?);
            let nearest = self.options.mode == GridMode::Nearest;
            let sorted = Sorted { tensors: &tensors, images: part, positions, by_cell, nearest };
            launches.extend(sorted.gather(&values, limits)?);
        }
        let pairs = (most * points) as u64 * 8;
        let workspaces = vec![pairs, pairs, ((most * cells + 1) as u64 * 4).next_multiple_of(16)];
        Ok(Lowering { launches, workspaces, ..Lowering::default() })
    }
}

/// Points of some images by the cells that they lie in.
struct Sorted<'a> {
    tensors: &'a Tensors,
    images: Part,
    /// The grid, and its points in order.
    positions: Binding,
    by_cell: Operand,
    nearest: bool,
}

impl Sorted<'_> {
    /// Each pixel adds up the points around it.
    fn gather(&self, common: &Value, limits: &Limits) -> Result<Vec<Launch>, Refusal> {
        let (sizes, plane) = (&self.tensors.sizes, self.tensors.plane());
        let (points, many) = (sizes.points(), CHANNELS.min(sizes.channels));
        let begin = self.images.ranges[0].start;
        let first = |lies: Lies| {
            let first = begin * lies.strides[0];
            lies.first(first)
        };
        let error = first(self.tensors.channels(Operand::Input(0), points));
        let output = first(self.tensors.channels(Operand::Output(0), plane));
        let (all, work) = ([error.clone(), output.clone()], [self.images.positions(), sizes.channels]);
        let mut launches = Vec::new();
        for part in parts(&work, &[1, many], &all, limits)? {
            let (errors, first_error) = part.bind(&error, Access::Read, limits);
            let (written, first_output) = part.bind(&output, Access::Write, limits);
            let [of, planes] = [part.ranges[0].len(), part.ranges[1].len()];
            let tiles = planes.div_ceil(many);
            let mut bindings = vec![errors, Binding::read(self.by_cell), Binding::read(STARTS), written];
            // Nearest pixels have no weights.
            bindings.extend((!self.nearest).then_some(self.positions));
            for piece in iterations::runs(points, limits) {
                let values = context! {
                    part => of, before => part.ranges[0].start, planes, tiles, many, first_error, first_output,
                    ..context! { ..piece.values(), ..common.clone() }
                };
                let why = format!("each pixel adds its points{}{}", part.why(), piece.why());
                launches.push(launch(
                    limits,
                    "grid_sample_backward_input",
                    (of * tiles * plane).div_ceil(64),
                    piece.iterations,
                    bindings.clone(),
                    why,
                    values,
                )?);
            }
        }
        Ok(launches)
    }
}
