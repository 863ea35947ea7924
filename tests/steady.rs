//! Some hundred training steps: nothing is made, and the memory of the process stays as it is. A test of its own, since
//! others beside it would take memory too.

use std::fs;
use wgrad::Device;
use wgrad::bench::train::{ModelRun, Pass, model};
use wgrad::exec::Counters;

/// Bytes of the process in memory; `None` where the system does not tell.
fn resident() -> Option<usize> {
    let pages = fs::read_to_string("/proc/self/statm").ok()?.split(' ').nth(1)?.parse::<usize>().ok()?;
    Some(pages * 4096)
}

#[test]
fn a_steady_state_makes_nothing() {
    let device = Device::auto().expect("a device that opens");
    if device.is_cpu() {
        println!("SKIPPED: {}", device.notice().unwrap_or("no adapter"));
        return;
    }
    for name in ["mlp", "lenet", "lstm-rows"] {
        let model = model(name).expect("a model of this name");
        let mut step = ModelRun::new(&device, model, Pass::Step, 8).expect("a model that compiles");
        let mut run = |steps: usize| {
            let before = device.counters();
            for at in 0..steps {
                step.run().expect("a step");
                if at % 10 == 9 {
                    step.result().expect("a loss");
                }
            }
            device.counters() - before
        };
        run(100);
        let before = resident();
        let counted = run(300);
        let Counters { submits, pipelines, buffers, bind_groups, allocated, .. } = counted;
        assert_eq!(submits, 330, "{name}: one a step and one a loss");
        assert_eq!((pipelines, buffers, bind_groups, allocated), (0, 0, 0, 0), "{name}: {counted}");
        if let (Some(before), Some(after)) = (before, resident()) {
            // A batch of images more a step would be 7 MB.
            let grown = after.saturating_sub(before);
            println!("{name}: {before} bytes in memory, {grown} more after 300 steps");
            assert!(grown < 2 << 20, "{name}: {grown} bytes more than {before}");
        }
    }
}
