//! Where the rows of a report ran.

use super::super::adapter::Adapter;
use super::super::trial::Effort;
use serde::{Deserialize, Serialize};

/// An adapter, and what ran on it, where and when. What is not known is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Column {
    /// The adapter's name.
    pub name: String,
    /// `discrete`, `integrated`, `virtual`, `software` or `other`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// The graphics interface.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub backend: String,
    /// The driver and its version.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub driver: String,
    /// The version of wgpu.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub wgpu: String,
    /// The operating system and the processor's kind.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub os: String,
    /// The browser, empty outside of one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub browser: String,
    /// The version of this crate.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// The commit of its source.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub commit: String,
    /// When the run began, UTC, as RFC 3339 writes it: `2026-11-30T20:15:02Z`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub date: String,
    /// `full` where every variant of the kernels ran, `quick` where only the planner's choice did.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub effort: String,
}

impl Column {
    /// An adapter that is open, with the versions of this program. What the library cannot know, such as the date, the
    /// caller adds.
    pub fn of(adapter: &Adapter, effort: Effort) -> Self {
        let identity = adapter.device().identity();
        let field = |text: Option<String>| text.unwrap_or_default();
        Self {
            name: identity.map_or_else(|| adapter.describe(), |found| found.name.clone()),
            kind: field(identity.map(|found| found.kind.clone())),
            backend: field(identity.map(|found| found.backend.to_string())),
            driver: field(identity.map(|found| found.driver.clone())),
            ..Self::named("", effort)
        }
    }

    /// An adapter of which only the name is known, with the versions of this program.
    pub fn named(name: &str, effort: Effort) -> Self {
        Self {
            name: name.to_owned(),
            wgpu: env!("WGRAD_WGPU_VERSION").to_owned(),
            os: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            effort: if effort.variants { "full" } else { "quick" }.to_owned(),
            ..Self::default()
        }
    }

    /// Name, kind, backend, and the browser where there is one.
    pub fn describe(&self) -> String {
        let parts = [&self.name, &self.kind, &self.backend, &self.browser];
        let parts: Vec<&str> = parts.into_iter().map(String::as_str).filter(|p| !p.is_empty()).collect();
        parts.join(", ")
    }

    /// What says that two columns are of one adapter.
    pub(super) fn identity(&self) -> [&str; 6] {
        [&self.name, &self.kind, &self.backend, &self.driver, &self.os, &self.browser]
    }

    /// What the patterns of known differences are held to.
    pub(super) fn for_patterns(&self) -> String {
        self.identity().into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
    }
}
