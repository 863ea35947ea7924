//! What drivers print on standard error is no business of who uses the command: Mesa looks for a display that nobody needs
//! and complains that there is none.

use std::sync::OnceLock;

/// Shows what drivers print.
pub const SHOW: &str = "WGRAD_DRIVER_MESSAGES";

/// What drivers are told, unless the user told them something else. None of it concerns messages of this command.
#[cfg(target_os = "linux")]
const TOLD: [(&str, &str); 2] = [
    ("EGL_LOG_LEVEL", "fatal"),  // libEGL: no render node, no display
    ("MESA_LOG_LEVEL", "error"), // Mesa: support is incomplete, an environment variable is deprecated
];

/// The variables that were set here: the user left them alone.
static SET: OnceLock<Vec<&'static str>> = OnceLock::new();

/// The variables that are this command's and not the user's.
pub fn set_here() -> &'static [&'static str] {
    SET.get().map_or(&[], Vec::as_slice)
}

/// Has drivers keep their warnings to themselves, unless `WGRAD_DRIVER_MESSAGES` is set. To be called before there is a second
/// thread.
pub fn drivers() {
    #[cfg(target_os = "linux")]
    {
        let value = |name: &str| std::env::var_os(name);
        let mut told = Vec::new();
        // libwayland asks for an absolute path, and is content when there is no socket below it.
        if value("XDG_RUNTIME_DIR").is_none_or(|folder| !std::path::Path::new(&folder).is_absolute()) {
            told.push(("XDG_RUNTIME_DIR", std::env::temp_dir().into_os_string()));
        }
        if value(SHOW).is_none_or(|show| show.is_empty()) {
            let unset = TOLD.iter().filter(|(name, _)| value(name).is_none());
            told.extend(unset.map(|&(name, level)| (name, level.into())));
        }
        // SAFETY: `main` calls this first, when the process has one thread: nobody reads the environment meanwhile.
        told.iter().for_each(|(name, value)| unsafe { std::env::set_var(name, value) });
        let _ = SET.set(told.into_iter().map(|(name, _)| name).collect());
    }
}
