//! What runs the plans of a case: an adapter, or whatever else can.

use crate::error::{Error, Result};
use crate::exec::{Backend, Device};
use crate::kernels::Limits;
use crate::plan::Plan;
use crate::platform::block_on;
use std::future::Future;
use std::pin::Pin;

/// A run of a plan: what its buffers hold afterwards.
pub type Replay<'a> = Pin<Box<dyn Future<Output = Result<Vec<Vec<u8>>>> + 'a>>;

/// What runs plans for [`run_on`](super::run_on).
pub trait Runner {
    /// What kernels may assume.
    fn limits(&self) -> Limits;

    /// Runs a plan once on memory given byte by byte, one part for each of [`Plan::buffers`], with wgpu's bounds checks
    /// where `checked`.
    fn replay<'a>(&'a self, plan: &'a Plan, memory: &'a [Vec<u8>], checked: bool) -> Replay<'a>;
}

/// An adapter opened twice: with unchecked shader modules, as programs run, and with wgpu's bounds checks.
#[derive(Debug, Clone)]
pub struct Adapter {
    unchecked: Device,
    checked: Device,
}

impl Adapter {
    /// Opens an adapter as [`Device::open`] does.
    ///
    /// # Errors
    /// When there is none, or it does not open.
    pub fn open(backend: Option<Backend>, device: Option<&str>) -> Result<Self> {
        block_on("verify::Adapter::open_async", Self::open_async(backend, device))
    }

    /// As [`Adapter::open`], without waiting: what a browser needs. A browser has no shader modules without checks.
    ///
    /// # Errors
    /// As [`Adapter::open`].
    pub async fn open_async(backend: Option<Backend>, device: Option<&str>) -> Result<Self> {
        let unchecked = Device::open_with_async(backend, device, false).await?;
        if unchecked.is_cpu() {
            let notice = unchecked.notice().unwrap_or("the CPU reference, which is what is compared with");
            return Err(Error::argument("device", "an adapter to compare with the reference", notice));
        }
        Ok(Self { unchecked, checked: Device::open_with_async(backend, device, true).await? })
    }

    /// Name, kind and backend.
    pub fn describe(&self) -> String {
        self.unchecked.describe()
    }

    /// What kernels may assume.
    pub fn limits(&self) -> Limits {
        self.unchecked.limits()
    }

    /// The device whose shaders have no bounds checks.
    pub fn device(&self) -> &Device {
        &self.unchecked
    }
}

impl Runner for Adapter {
    fn limits(&self) -> Limits {
        self.unchecked.limits()
    }

    fn replay<'a>(&'a self, plan: &'a Plan, memory: &'a [Vec<u8>], checked: bool) -> Replay<'a> {
        let device = if checked { &self.checked } else { &self.unchecked };
        Box::pin(device.replay(plan, memory))
    }
}
