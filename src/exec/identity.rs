//! Which adapter a device is, and through which graphics interface.

use crate::error::{Error, Result};
use crate::platform::BROWSER;
use std::fmt;
use std::str::FromStr;

/// A graphics interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Backend {
    /// Vulkan: Linux, Windows, Android.
    Vulkan,
    /// Metal: macOS, iOS.
    Metal,
    /// Direct3D 12: Windows.
    Dx12,
    /// OpenGL and OpenGL ES.
    Gl,
    /// A browser's WebGPU: all that there is in one, and nowhere else.
    WebGpu,
}

impl Backend {
    const KNOWN: [Backend; 5] =
        [Backend::Vulkan, Backend::Metal, Backend::Dx12, Backend::Gl, Backend::WebGpu];
    /// Those that there may be here.
    pub(super) const ALL: &[Backend] = if BROWSER { &[Backend::WebGpu] } else { Self::KNOWN.split_at(4).0 };
    /// Those asked for the best adapter, and if they have none, the rest.
    pub(super) const FIRST: (&[Backend], &[Backend]) =
        if BROWSER { (Self::ALL, &[]) } else { Self::ALL.split_at(3) };

    pub(super) fn wgpu(self) -> wgpu::Backends {
        match self {
            Backend::Vulkan => wgpu::Backends::VULKAN,
            Backend::Metal => wgpu::Backends::METAL,
            Backend::Dx12 => wgpu::Backends::DX12,
            Backend::Gl => wgpu::Backends::GL,
            Backend::WebGpu => wgpu::Backends::BROWSER_WEBGPU,
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Backend::Vulkan => "vulkan",
            Backend::Metal => "metal",
            Backend::Dx12 => "dx12",
            Backend::Gl => "gl",
            Backend::WebGpu => "webgpu",
        })
    }
}

impl FromStr for Backend {
    type Err = Error;
    fn from_str(name: &str) -> Result<Self> {
        let found = Self::KNOWN.into_iter().find(|b| b.to_string() == name.to_ascii_lowercase());
        found.ok_or_else(|| Error::argument("backend", "vulkan, metal, dx12, gl or webgpu", name))
    }
}

/// Which adapter a device is: what must be equal for two measurements to be compared.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AdapterIdentity {
    /// The card's name.
    pub name: String,
    /// The graphics interface.
    pub backend: Backend,
    /// `discrete`, `integrated`, `virtual`, `software` or `other`.
    pub kind: String,
    /// The driver and its version.
    pub driver: String,
}
