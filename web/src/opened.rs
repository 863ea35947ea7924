//! The device that a job runs on, and what the page tells of it.

use crate::value::{Options, Thrown, object, pairs};
use wasm_bindgen::JsValue;
use wgrad::Device;
use wgrad::exec::{AdapterReport, NO_ADAPTER, adapters_async};

/// A device with what its adapter says of itself.
pub struct Opened {
    pub device: Device,
    /// What the browser calls the adapter, where wgpu is not told.
    name: String,
    report: Option<AdapterReport>,
    /// Only the reference was asked for.
    cpu: bool,
    /// A limit of memory in bytes.
    memory: Option<u64>,
}

impl Opened {
    /// The adapter, or the reference where there is none or the page asks for it. `memory` is a limit in MiB.
    pub async fn new(options: &JsValue) -> Thrown<Self> {
        let options = Options(options);
        let memory =
            Some(options.number("memory")).filter(|mib| *mib > 0.0).map(|mib| (mib * 1048576.0) as u64);
        let cpu = options.flag("cpu");
        let mut opened =
            Self { device: Device::cpu(), name: options.text("adapter"), report: None, cpu, memory };
        opened.again().await?;
        Ok(opened)
    }

    /// Opens it again after it was lost.
    pub async fn again(&mut self) -> Thrown<()> {
        if self.cpu {
            return Ok(());
        }
        self.device = Device::auto_async().await?;
        self.report = adapters_async(None).await.into_iter().next();
        if let Some(bytes) = self.memory {
            self.device.limit_memory(bytes);
        }
        Ok(())
    }

    /// The adapter's name, kind and interface.
    pub fn name(&self) -> String {
        match self.device.identity() {
            Some(identity) if !self.name.is_empty() => {
                format!("{} ({}, {})", self.name, identity.kind, identity.backend)
            }
            _ => self.device.describe(),
        }
    }

    /// The adapter's name alone.
    pub fn plain_name(&self) -> String {
        let known = || self.device.identity().map(|identity| identity.name.clone());
        Some(self.name.clone()).filter(|name| !name.is_empty()).or_else(known).unwrap_or_default()
    }

    /// Name, notice, limits and features for the page.
    pub fn describe(&self) -> JsValue {
        let report = self.report.as_ref().filter(|_| !self.device.is_cpu());
        let limits = report.map(|report| report.limits.clone()).unwrap_or_default();
        let features = report.map(|report| report.features.clone()).unwrap_or_default();
        let notice = match self.device.notice() {
            Some(notice) => notice,
            None if self.device.is_cpu() && !self.cpu => NO_ADAPTER,
            None => "",
        };
        object([
            ("name", self.name().into()),
            ("cpu", self.device.is_cpu().into()),
            ("notice", notice.into()),
            ("limits", pairs(limits.into_iter().map(|(name, value)| (name, value.into())))),
            ("features", pairs(features.into_iter().map(|(name, there)| (name, there.into())))),
        ])
    }
}
