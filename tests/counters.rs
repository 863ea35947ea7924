//! What a training step of each model asks of the device, compared exactly with a committed file: a change
//! that adds work is seen in review. No number depends on the machine.

use wgrad::Device;
use wgrad::bench::train::{Built, MODELS, ModelRun, Pass, all, build};
use wgrad::exec::Counters;
use wgrad::graph::GraphData;
use wgrad::kernels::Limits;
use wgrad::plan::{BufferKind, Life, Plan, Step, Work, plan, plan_unfused};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/counters.csv");
const UPDATE: &str = "UPDATE_COUNTERS=1 cargo test --test counters";

/// The plans for WebGPU's guaranteed limits: those of the CPU reference. VGGs need larger buffers.
fn table() -> String {
    let mut text =
        "model,batch,dispatches,copies,passes,submits,uploaded,read_back,pipelines,allocated\n".to_owned();
    for model in all() {
        let Built { graph, results, .. } = build(model, Pass::Step, model.batch).expect("a graph");
        let of = |limits: &Limits| graph.with(|data| plan(data, &[results[0].1.id()], limits));
        // The first linear layer of a VGG is larger than what every device holds in a buffer.
        let large = Limits { max_binding_bytes: 1 << 30, max_buffer_bytes: 1 << 30, ..Limits::default() };
        let limits = if model.name.starts_with("vgg1") { large } else { Limits::default() };
        let work = of(&limits).expect("a plan").work();
        let Work { dispatches, copies, passes, submits, uploaded, read_back, pipelines, allocated } = work;
        text += &format!(
            "{},{},{dispatches},{copies},{passes},{submits},{uploaded},{read_back},{pipelines},{allocated}\n",
            model.name, model.batch
        );
    }
    text
}

#[test]
fn the_work_of_a_training_step_is_the_committed_one() {
    let now = table();
    if std::env::var_os("UPDATE_COUNTERS").is_some() {
        std::fs::write(FILE, &now).expect("the file can be written");
    }
    let committed = std::fs::read_to_string(FILE).expect("tests/counters.csv");
    assert_eq!(
        committed, now,
        "the work changed; if that is meant, run `{UPDATE}` and commit tests/counters.csv"
    );
}

#[test]
fn the_executor_does_what_the_plan_counts() {
    for model in &MODELS {
        // A device of its own: nothing else is counted, and no pipeline is known yet.
        let device = Device::auto().expect("a device that opens");
        if device.is_cpu() {
            println!("SKIPPED: {}", device.notice().unwrap_or("no adapter"));
            return;
        }
        let mut step = ModelRun::new(&device, model, Pass::Step, 2).expect("a model that compiles");
        let built = device.counters();
        let work = step.program.plan().expect("a plan").work();
        // The buffer to read the loss from is made once, and a place for the inputs of each run that may be under way.
        let made = [(); 3].map(|()| step.count().expect("a step that runs").buffers);
        assert_eq!(made, [2, 1, 1], "{}", model.name);
        let counted = step.count().expect("a fourth step");
        assert_eq!((built.pipelines, built.allocated), (work.pipelines, work.allocated), "{}", model.name);
        // Reading the loss is one submission and one copy more.
        let expected = Counters {
            submits: work.submits + 1,
            passes: work.passes,
            dispatches: work.dispatches,
            copies: work.copies + 1,
            pipelines: 0,
            buffers: 0,
            bind_groups: 0,
            allocated: 0,
            uploaded: work.uploaded,
            read_back: work.read_back,
        };
        assert_eq!(counted, expected, "{} on {}", model.name, device.describe());
        assert_eq!(step.count().expect("a fifth step"), expected, "{}: the fifth step", model.name);
    }
}

/// Blocks whose inputs outlive them leave gaps of all sizes; no reuse can be below what is alive at once.
#[test]
fn residual_blocks_take_little_more_memory_than_what_is_alive() {
    let device = Device::auto().expect("a device that opens");
    for device in [&Device::cpu(), &device] {
        for model in MODELS.iter().filter(|model| model.name.contains("resnet-like")) {
            for batch in [1, 2, 5, model.batch, 64] {
                let step = ModelRun::new(device, model, Pass::Step, batch).expect("a model that compiles");
                let memory = step.program.memory();
                let ratio = memory.activations as f64 / memory.activations_at_least as f64;
                assert!(
                    (1.0..=1.15).contains(&ratio),
                    "batch {batch} on {}: {memory}, {ratio}",
                    device.describe()
                );
            }
        }
    }
}

/// Fusion leaves out what would be written and read again, on CPU adapters and on GPUs.
#[test]
fn fused_training_moves_fewer_bytes_and_takes_no_more_memory() {
    let best = Device::auto().expect("a device that opens");
    for model in &MODELS {
        let step =
            ModelRun::new(&Device::cpu(), model, Pass::Step, model.batch).expect("a model that compiles");
        let (graph, results) = step.graph();
        for limits in [Limits::default(), best.limits()] {
            let of = |plan: fn(&GraphData, &[usize], &Limits) -> wgrad::Result<Plan>| {
                graph.with(|data| plan(data, &results, &limits)).expect(model.name)
            };
            let (fused, apart) = (of(plan), of(plan_unfused));
            assert!(fused.fused > 0 && apart.fused == 0, "{}: {} fused", model.name, fused.fused);
            assert!(fused.work().dispatches < apart.work().dispatches, "{}", model.name);
            let (bytes, more) = (fused.bound_bytes(), apart.bound_bytes());
            assert!(bytes < more, "{}: {bytes} bytes, {more} apart", model.name);
            let (peak, higher) = (fused.memory.peak, apart.memory.peak);
            assert!(peak <= higher, "{}: a peak of {peak} bytes, {higher} apart", model.name);
        }
    }
}

/// What a kernel is bound to is alive then, where it is bound.
#[test]
fn every_binding_of_a_slot_lies_in_a_value_that_is_alive() {
    for model in &MODELS {
        let step = ModelRun::new(&Device::cpu(), model, Pass::Step, 2).expect("a model that compiles");
        let plan = step.program.plan().expect("a plan for the guaranteed limits");
        let mut seen = 0;
        for (at, step) in plan.steps.iter().enumerate() {
            let Step::Dispatch(dispatch) = step else { continue };
            for bound in &dispatch.bindings {
                if plan.buffers[bound.buffer].kind != BufferKind::Slot {
                    continue;
                }
                let holds = |life: &&Life| {
                    let (begin, end) = (life.offset, life.offset + life.bytes);
                    let inside = begin <= bound.offset && bound.offset + bound.bytes <= end;
                    life.buffer == bound.buffer && inside && (life.first..=life.last).contains(&at)
                };
                let found = plan.lives.iter().filter(holds).count();
                assert_eq!(found, 1, "{}: step {at}, {}, {bound:?}", model.name, dispatch.op);
                seen += 1;
            }
        }
        assert!(seen > 10, "{}: {seen} bindings", model.name);
    }
}
