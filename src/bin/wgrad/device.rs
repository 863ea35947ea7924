//! `wgrad devices`, and the options with which every command chooses a device.

use clap::Args;
use wgrad::bench::tune::{TuningFile, default_path};
use wgrad::{AdapterReport, Backend, Device};

/// A name that is not blank: a blank one is part of every name.
pub fn name(text: &str) -> Result<String, String> {
    if text.trim().is_empty() { Err("expected a name, got nothing".into()) } else { Ok(text.to_owned()) }
}

/// Where to run.
#[derive(Debug, Clone, Args)]
pub struct DeviceArgs {
    /// The adapter, by its index in `wgrad devices` or part of its name; `cpu` is the reference.
    #[arg(long, value_name = "INDEX|NAME", default_value = "auto", value_parser = name)]
    pub device: String,
    /// Only adapters of this backend: vulkan, metal, dx12 or gl.
    #[arg(long)]
    pub backend: Option<Backend>,
    /// The most device memory a program may use, in MiB; one that needs more is refused before it runs, with what would fit
    /// [default: no limit].
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..))]
    pub memory: Option<u32>,
}

impl DeviceArgs {
    /// Opens the device, with what `wgrad tune` found for it, and says so on standard error.
    pub fn open(&self) -> anyhow::Result<Device> {
        let device = self.open_untuned()?;
        if let Some(path) = default_path(&device).filter(|path| path.exists()) {
            match TuningFile::load(&path).and_then(|file| file.choices_for(&device)) {
                Ok(tuned) => {
                    eprintln!("tuned    {} ops by {}", tuned.len(), path.display());
                    device.tune(tuned);
                }
                Err(error) => eprintln!("{} is ignored: {error}", path.display()),
            }
        }
        Ok(device)
    }

    /// Opens the device and says what was found, on standard error.
    pub fn open_untuned(&self) -> anyhow::Result<Device> {
        let device = Device::open(self.backend, Some(&self.device))?;
        if let Some(notice) = device.notice() {
            eprintln!("{notice}");
        }
        device.on_notice(|line| eprintln!("{line}"));
        if let Some(mib) = self.memory {
            device.limit_memory(u64::from(mib) << 20);
        }
        if let Some(path) = device.pipelines_file() {
            device.keep_pipelines(&path);
        }
        Ok(device)
    }
}

/// `wgrad devices`.
#[derive(Debug, Args)]
pub struct DevicesArgs {
    /// Only adapters of this backend: vulkan, metal, dx12 or gl.
    #[arg(long)]
    backend: Option<Backend>,
}

/// Prints every adapter with its limits and features.
pub fn list(args: &DevicesArgs) -> anyhow::Result<()> {
    let adapters = wgrad::adapters(args.backend);
    for adapter in &adapters {
        print(adapter);
    }
    if adapters.is_empty() {
        println!("{}", wgrad::exec::NO_ADAPTER);
    }
    println!("cpu: the CPU reference, exact and slow (always there: --device cpu)");
    Ok(())
}

fn print(adapter: &AdapterReport) {
    println!("{}: {} ({}, {})", adapter.index, adapter.name, adapter.kind, adapter.backend);
    println!("   driver                      {}", adapter.driver);
    for (name, value) in &adapter.limits {
        println!("   {name:27} {value}");
    }
    let has = |wanted: bool| {
        let names: Vec<_> = adapter.features.iter().filter(|f| f.1 == wanted).map(|f| f.0.as_str()).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    };
    println!("   {:27} {}", "features", has(true));
    println!("   {:27} {}", "not available", has(false));
    if let Some(lacks) = &adapter.lacks {
        println!("   {:27} it has no {lacks}", "cannot be used");
    }
}
