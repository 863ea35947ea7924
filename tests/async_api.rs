//! The asynchronous calls give what the blocking ones give, on an executor that knows nothing of the device and never polls it.

mod executor;

use executor::run;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use wgrad::exec::{Counters, Stopwatch};
use wgrad::ops::{Init, Role};
use wgrad::verify::{self, Adapter, Case, Effort};
use wgrad::{
    Backend, Device, Executable, Graph, HostTensor, Parameters, Pending, Result, Tensor, TensorType,
};

fn devices() -> Vec<Device> {
    let best = Device::auto().expect("a device that opens");
    if best.is_cpu() {
        println!("SKIPPED: {}", best.notice().unwrap_or("no adapter"));
        return vec![best];
    }
    vec![best, Device::cpu()]
}

/// A sum of what went through a layer, which changes its weights.
struct Model {
    graph: Graph,
    x: Tensor,
    y: Tensor,
}

impl Model {
    fn new() -> Result<Self> {
        let graph = Graph::new();
        let x = graph.input("x", [8, 32])?;
        let weight = graph.state(
            "weight",
            TensorType::f32([32, 16]),
            Init::Uniform { low: -0.5, high: 0.5 },
            Role::Parameter,
        )?;
        let y = x.matmul(&weight)?.tanh()?;
        let change = x.transpose(0, 1)?.matmul(&y)?.scale(1e-2)?;
        graph.assign(&weight, &weight.sub(&change)?)?;
        Ok(Self { graph, x, y })
    }

    fn input(step: usize) -> Result<HostTensor> {
        HostTensor::from_f32([8, 32], (0..256).map(|i| ((i * 7 + step * 13) % 31) as f32 / 31.0).collect())
    }
}

const STEPS: usize = 12;

fn blocking(device: &Device) -> Result<(Vec<HostTensor>, HostTensor, Counters)> {
    let (model, parameters) = (Model::new()?, Parameters::new(device, 4));
    let mut program = parameters.compile(&model.graph, &[&model.y])?;
    let (before, mut outputs) = (device.counters(), Vec::new());
    for step in 0..STEPS {
        program.run(&[(&model.x, &Model::input(step)?)])?;
        if step % 5 == 4 {
            outputs.push(program.read(&model.y)?);
        }
    }
    let weight = parameters.get("weight")?;
    Ok((outputs, weight, device.counters() - before))
}

async fn awaited(device: &Device) -> Result<(Vec<HostTensor>, HostTensor, Counters)> {
    let (model, parameters) = (Model::new()?, Parameters::new(device, 4));
    let mut program = parameters.compile_async(&model.graph, &[&model.y]).await?;
    let (before, mut outputs) = (device.counters(), Vec::new());
    for step in 0..STEPS {
        program.run_async(&[(&model.x, &Model::input(step)?)]).await?;
        if step % 5 == 4 {
            outputs.push(program.read_async(&model.y)?.await?);
        }
    }
    let weight = parameters.get_async("weight")?.await?;
    Ok((outputs, weight, device.counters() - before))
}

#[test]
fn awaited_runs_give_the_same_bits_and_ask_the_same_of_the_device() -> Result<()> {
    for device in devices() {
        // The first leaves buffers that results were read from.
        let [_, expected] = [blocking(&device)?, blocking(&device)?];
        let (found, polls) = run(awaited(&device));
        assert_eq!(found?, expected, "{}", device.describe());
        // Some for each step and reading, not as many as a spinning host makes.
        assert!(polls <= 8 * STEPS, "{polls} polls on {}", device.describe());
    }
    Ok(())
}

/// A program that has run, and two results under way.
fn under_way(device: &Device) -> Result<(Executable, Pending, Pending)> {
    let model = Model::new()?;
    let mut program = Parameters::new(device, 4).compile(&model.graph, &[&model.y])?;
    program.run(&[(&model.x, &Model::input(0)?)])?;
    let (first, second) = (program.read_async(&model.y)?, program.read_async(&model.y)?);
    Ok((program, first, second))
}

#[test]
fn results_may_be_awaited_in_any_order_asked_for_waited_for_or_dropped() -> Result<()> {
    fn sent<T: Send>(value: T) -> T {
        value
    }
    for device in devices() {
        let (_program, first, second) = under_way(&device)?;
        let later = run(async { sent(second).await }).0?;
        assert_eq!(run(first).0?, later);

        let (program, mut first, second) = under_way(&device)?;
        drop((program, second));
        // Polled once by an executor, then waited for.
        let once = Pin::new(&mut first).poll(&mut Context::from_waker(Waker::noop()));
        let value = match once {
            Poll::Ready(value) => value?,
            Poll::Pending => first.wait()?,
        };
        assert_eq!(value, later);

        let (_program, mut first, second) = under_way(&device)?;
        assert_eq!(second.wait()?, later);
        // Its mapping was asked for before the other's, which is there.
        assert_eq!(first.try_get()?, Some(later));
        assert_eq!(first.try_get()?, None);
        let error = run(&mut first).0.unwrap_err().to_string();
        assert!(error.contains("taken before"), "{error}");
    }
    Ok(())
}

#[test]
fn a_bad_index_is_said_by_what_is_awaited() -> Result<()> {
    for device in devices() {
        let graph = Graph::new();
        let table = graph.input("table", [4, 2])?;
        let index = graph.input_u32("index", [3])?;
        let rows = table.embedding(&index)?;
        let parameters = Parameters::new(&device, 0);
        let said = run(async {
            let mut program = parameters.compile_async(&graph, &[&rows]).await?;
            program.run_async(&[(&index, &HostTensor::from_u32([3], vec![0, 9, 1])?)]).await?;
            program.read_async(&rows)?.await
        });
        let error = said.0.unwrap_err().to_string();
        assert!(error.contains("embedding: expected indices below 4"), "{error}");
    }
    Ok(())
}

#[test]
fn devices_checkpoints_times_and_cases_without_waiting() -> Result<()> {
    let (device, _) = run(Device::auto_async());
    let device = device?;
    assert_eq!(device.describe(), Device::auto()?.describe());
    let reports = run(wgrad::adapters_async(None)).0;
    assert_eq!(reports, wgrad::adapters(None));
    let error = run(Device::open_async(None, Some("no such card"))).0.unwrap_err().to_string();
    assert_eq!(error, Device::open(None, Some("no such card")).unwrap_err().to_string());
    // A browser's own is nowhere else.
    let error = Device::open(Some(Backend::WebGpu), None).unwrap_err().to_string();
    assert!(
        error.contains("an adapter of backend webgpu") && wgrad::adapters(Some(Backend::WebGpu)).is_empty()
    );

    let model = Model::new()?;
    let parameters = Parameters::new(&device, 4);
    let mut program = run(parameters.compile_async(&model.graph, &[&model.y])).0?;
    run(program.run_async(&[(&model.x, &Model::input(1)?)])).0?;
    let notes = BTreeMap::from([("of".to_owned(), "a test".to_owned())]);
    let checkpoint = run(parameters.checkpoint(notes.clone())?.arrived()).0?;
    assert_eq!(checkpoint, parameters.checkpoint(notes)?.wait()?);
    let again = wgrad::Checkpoint::from_bytes(&checkpoint.to_bytes()?)?;
    assert_eq!(again, checkpoint);
    assert!(wgrad::Checkpoint::from_bytes(b"no checkpoint").unwrap_err().to_string().contains("in memory"));
    if device.is_cpu() {
        return Ok(());
    }
    for wall in [false, true] {
        let stopwatch = Stopwatch::new(&device, wall)?;
        let times = run(program.time_async(&stopwatch, 2, 3)).0?;
        assert!(times.len() == 3 && times.iter().flatten().all(|&seconds| seconds > 0.0), "{times:?}");
    }
    let profile = run(program.run_profiled_async(&[])).0?;
    assert_eq!(Some(profile.steps.len()), program.plan().map(|plan| plan.steps.len()));
    let adapter = run(Adapter::open_async(None, None)).0?;
    for op in ["matmul", "relu", "softmax"] {
        let line = verify::table(Some(op))?.remove(0);
        let case = Case::build(&line)?;
        let outcome = run(verify::run_async(&case, &adapter, Effort::full())).0?;
        assert_eq!(outcome, verify::run(&case, &adapter, Effort::full())?, "{line}");
    }
    Ok(())
}

#[test]
fn a_lost_device_ends_what_is_awaited() -> Result<()> {
    let device = Device::auto()?;
    if device.is_cpu() {
        println!("SKIPPED: {}", device.notice().unwrap_or("no adapter"));
        return Ok(());
    }
    let (mut program, first, second) = under_way(&device)?;
    let mut first = Box::pin(first);
    // One is asked for, where it is not there at once; the other is not yet.
    let asked = first.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending();
    device.lose();
    let mut errors = vec![run(second).0.unwrap_err(), run(program.run_async(&[])).0.unwrap_err()];
    if asked {
        errors.push(run(first).0.unwrap_err());
    }
    for error in errors {
        assert!(error.to_string().contains("the device was lost"), "{error}");
    }
    Ok(())
}

/// A callback may run on another thread than the one that waits for it: both ask the device.
#[test]
fn threads_share_a_device() {
    let device = Device::auto().expect("a device that opens");
    if device.is_cpu() {
        println!("SKIPPED: {}", device.notice().unwrap_or("no adapter"));
        return;
    }
    let work = |thread: usize| -> Result<()> {
        let (model, parameters) = (Model::new()?, Parameters::new(&device, 4));
        let mut program = parameters.compile(&model.graph, &[&model.y])?;
        for step in 0..600 {
            program.run(&[(&model.x, &Model::input(step)?)])?;
            let read = program.read_async(&model.y)?;
            // Some wait on their thread, some have an executor.
            if thread.is_multiple_of(2) {
                read.wait()?
            } else {
                run(read).0?
            };
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|thread| scope.spawn(move || work(thread))).collect();
        for (number, thread) in threads.into_iter().enumerate() {
            let done = thread.join().expect("a thread that ends");
            done.unwrap_or_else(|e| panic!("thread {number}: {e}"));
        }
    });
}
