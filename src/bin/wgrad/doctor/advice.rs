//! What is missing on a machine, and how to get it.

use super::drivers::{Drivers, Maker};
use super::findings::{Adapter, Cache};
use serde::Serialize;
use std::path::PathBuf;
use wgrad::Backend;

/// Something that is missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Advice {
    pub what: String,
    /// What to do about it.
    pub how: String,
}

/// What advice is made from.
pub struct Case<'a> {
    pub drivers: &'a Drivers,
    pub adapters: &'a [Adapter],
    pub cache: &'a Cache,
    /// Whether the variable with the folder of displays' sockets was set.
    pub runtime_dir: bool,
    pub debug: bool,
    /// The only backend that was asked, where one was chosen.
    pub backend: Option<Backend>,
}

impl Case<'_> {
    /// Whether there is an adapter of a backend, or nobody asked for one.
    fn has(&self, backend: &str) -> bool {
        let asked = self.backend.is_none_or(|asked| asked.to_string() == backend);
        !asked || self.adapters.iter().any(|adapter| adapter.backend == backend)
    }
}

fn advice(what: impl Into<String>, how: impl Into<String>) -> Advice {
    Advice { what: what.into(), how: how.into() }
}

/// What is missing, the worst first.
pub fn advice_for(case: &Case) -> Vec<Advice> {
    let mut all = match case.drivers.os.as_str() {
        "linux" => linux(case),
        "macos" if !case.has("metal") => vec![advice(
            "no Metal adapter",
            "every Mac from 2012 on has one; a virtual machine needs a host that shares its own",
        )],
        "windows" if !case.has("dx12") && !case.has("vulkan") => vec![advice(
            "no DX12 adapter",
            "Windows 10 or newer has a software one (WARP); install the driver of your card from its maker",
        )],
        _ => Vec::new(),
    };
    all.extend(slow_only(case));
    if let (Some(folder), Some(problem)) = (&case.cache.folder, &case.cache.problem) {
        all.push(advice(
            format!("{} cannot be written ({problem}): kernels are compiled anew by every process", folder.display()),
            "make it writable, or name another folder in WGRAD_PIPELINES (and in WGRAD_TUNING for `wgrad tune`)",
        ));
    }
    if case.cache.folder.is_none() && !case.adapters.is_empty() {
        all.push(advice(
            "no folder for compiled kernels: every process compiles them anew",
            "set HOME, or name a folder in WGRAD_PIPELINES; `off` there is a choice, too",
        ));
    }
    if case.drivers.os == "linux" && !case.runtime_dir && case.has("gl") {
        all.push(advice(
            "XDG_RUNTIME_DIR is not set: harmless, but drivers of OpenGL complain in programs of your own",
            "export XDG_RUNTIME_DIR=/tmp, or what your login manager sets",
        ));
    }
    if case.debug {
        all.push(advice("a debug build: its speed says nothing", "cargo install --path . --features cli"));
    }
    all
}

/// A package of each distribution.
fn package(distribution: &str, what: &Package) -> String {
    let is = |name: &str| distribution.split(' ').any(|word| word == name);
    let manager = if is("debian") || is("ubuntu") {
        ("apt-get install", what.debian)
    } else if is("fedora") || is("rhel") || is("centos") {
        ("dnf install", what.fedora)
    } else if is("arch") {
        ("pacman -S", what.arch)
    } else if is("alpine") {
        ("apk add", what.alpine)
    } else if is("suse") || is("opensuse") {
        ("zypper install", what.suse)
    } else {
        let Package { debian, fedora, arch, .. } = what;
        return format!("install {debian} (Debian, Ubuntu), {fedora} (Fedora) or {arch} (Arch)");
    };
    format!("{} {}", manager.0, manager.1)
}

/// What a package is called.
struct Package {
    debian: &'static str,
    fedora: &'static str,
    arch: &'static str,
    alpine: &'static str,
    suse: &'static str,
}

/// Mesa's drivers of Vulkan: AMD's, Intel's and the software one.
const MESA: Package = Package {
    debian: "mesa-vulkan-drivers",
    fedora: "mesa-vulkan-drivers",
    arch: "vulkan-swrast",
    alpine: "mesa-vulkan-swrast",
    suse: "Mesa-libvulkan-swrast libvulkan_lvp",
};
const LOADER: Package = Package {
    debian: "libvulkan1",
    fedora: "vulkan-loader",
    arch: "vulkan-icd-loader",
    alpine: "vulkan-loader",
    suse: "libvulkan1",
};
const EGL: Package = Package {
    debian: "libegl1 libgl1-mesa-dri",
    fedora: "mesa-libEGL mesa-dri-drivers",
    arch: "mesa",
    alpine: "mesa-egl mesa-dri-gallium",
    suse: "Mesa-libEGL1 Mesa-dri",
};

fn names(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

fn linux(case: &Case) -> Vec<Advice> {
    let drivers = case.drivers;
    let mut all = Vec::new();
    if !case.has("vulkan") {
        all.push(no_vulkan(drivers));
    }
    if !drivers.without_library.is_empty() {
        all.push(advice(
            format!("drivers of Vulkan are named but not there: {}", names(&drivers.without_library)),
            "install the package they belong to again, or remove the files",
        ));
    }
    if !drivers.closed.is_empty() {
        all.push(advice(
            format!("this user may not open {}", names(&drivers.closed)),
            "as root: usermod -aG render,video USER, and log in again",
        ));
    }
    if !case.has("gl") && !case.has("vulkan") && !drivers.egl {
        all.push(advice("no OpenGL either", package(&drivers.distribution, &EGL)));
    }
    all
}

fn no_vulkan(drivers: &Drivers) -> Advice {
    let install = |what| package(&drivers.distribution, what);
    if drivers.vulkan_drivers.is_empty() && !drivers.not_there.is_empty() {
        let what = format!(
            "VK_DRIVER_FILES or VK_ICD_FILENAMES names what is not there: {}",
            names(&drivers.not_there)
        );
        return advice(what, "unset it: the drivers that are installed are then found");
    }
    if !drivers.vulkan_loader && !drivers.vulkan_drivers.is_empty() {
        return advice("no loader of Vulkan, libvulkan.so.1", install(&LOADER));
    }
    if drivers.vulkan_drivers.is_empty() {
        return advice(
            "no driver of Vulkan",
            format!("{}: a software one, and AMD's and Intel's on most distributions", install(&MESA)),
        );
    }
    advice(
        format!("drivers of Vulkan are there but find no card: {}", names(&drivers.vulkan_drivers)),
        format!(
            "{}, a software one that needs none; WGRAD_DRIVER_MESSAGES=1 VK_LOADER_DEBUG=all wgrad devices says more",
            install(&MESA)
        ),
    )
}

/// Software adapters alone, though there may be a card.
fn slow_only(case: &Case) -> Option<Advice> {
    let drivers = case.drivers;
    let software = |adapter: &Adapter| adapter.kind == "software";
    let mut found = case.adapters.iter().peekable();
    let software = found.peek().is_none() || found.all(software);
    if !software || case.backend.is_some() {
        return None;
    }
    let card =
        [Maker::Nvidia, Maker::Amd, Maker::Intel].into_iter().find(|maker| drivers.cards.contains(maker));
    let only = if case.adapters.is_empty() { "no adapter" } else { "only software adapters" };
    if drivers.on_windows {
        let how =
            "install the newest driver of the card on Windows, and Mesa 23 or newer here (its driver `dzn`)";
        return Some(advice(format!("{only}: Linux on Windows lends the card through Direct3D"), how));
    }
    if let Some(maker) = card {
        let (name, how) = match maker {
            Maker::Nvidia if drivers.container => {
                ("NVIDIA", "start the container with --gpus all -e NVIDIA_DRIVER_CAPABILITIES=all, and install libvulkan1 in it".to_owned())
            }
            Maker::Nvidia => ("NVIDIA", "install its driver, with the parts for graphics (Debian: nvidia-driver nvidia-vulkan-icd; Ubuntu: ubuntu-drivers install)".to_owned()),
            Maker::Amd | Maker::Intel | Maker::Other(_) => {
                let name = if maker == Maker::Amd { "AMD" } else { "Intel" };
                let devices = if drivers.container { "; start the container with --device /dev/dri" } else { "" };
                let arch = drivers.distribution.contains("arch");
                let arch = if !arch { String::new() } else if maker == Maker::Amd { " (here: vulkan-radeon)".to_owned() } else { " (here: vulkan-intel)".to_owned() };
                (name, format!("{}{arch}{devices}", package(&drivers.distribution, &MESA)))
            }
        };
        return Some(advice(format!("{only}, though there is a card of {name}"), how));
    }
    let container = drivers.container.then(|| {
        let how = "with a card: --gpus all -e NVIDIA_DRIVER_CAPABILITIES=all (NVIDIA), --device /dev/dri (AMD, Intel)";
        advice(format!("{only}: this is a container, which sees the cards that it is given"), how)
    });
    let plain = || {
        (!case.adapters.is_empty()).then(|| {
            advice(
                format!("{only}, and no card is seen"),
                "nothing, if there is none: they are right, and slow",
            )
        })
    };
    container.or_else(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adapter(kind: &str, backend: &str) -> Adapter {
        Adapter { kind: kind.to_owned(), backend: backend.to_owned(), ..Adapter::default() }
    }

    /// What and how, of each advice.
    fn of(drivers: &Drivers, adapters: &[Adapter], cache: &Cache) -> Vec<String> {
        let case = Case { drivers, adapters, cache, runtime_dir: true, debug: false, backend: None };
        advice_for(&case).into_iter().map(|advice| format!("{}: {}", advice.what, advice.how)).collect()
    }

    fn writable() -> Cache {
        Cache { folder: Some("/home/me/.cache/wgrad/pipelines".into()), problem: None }
    }

    #[test]
    fn what_is_missing_is_named_with_the_package_that_has_it() {
        let bare = |distribution: &str| Drivers {
            os: "linux".into(),
            distribution: distribution.into(),
            ..Drivers::default()
        };
        for (distribution, command) in [
            ("debian", "apt-get install mesa-vulkan-drivers"),
            ("linuxmint ubuntu debian", "apt-get install mesa-vulkan-drivers"),
            ("fedora", "dnf install mesa-vulkan-drivers"),
            ("arch", "pacman -S vulkan-swrast"),
            ("alpine", "apk add mesa-vulkan-swrast"),
            ("opensuse-leap suse opensuse", "zypper install Mesa-libvulkan-swrast"),
            ("void", "vulkan-swrast (Arch)"),
        ] {
            let said = of(&bare(distribution), &[], &writable());
            assert!(said[0].starts_with("no driver of Vulkan: ") && said[0].contains(command), "{said:?}");
            assert!(said[1].starts_with("no OpenGL either"), "{said:?}");
        }
        let icd = vec![PathBuf::from("/usr/share/vulkan/icd.d/lvp.json")];
        let without_loader = Drivers { vulkan_drivers: icd.clone(), ..bare("debian") };
        assert!(of(&without_loader, &[], &writable())[0].contains("apt-get install libvulkan1"));
        let misled = Drivers { not_there: icd.clone(), ..bare("debian") };
        assert!(
            of(&misled, &[], &writable())[0]
                .contains("names what is not there: /usr/share/vulkan/icd.d/lvp.json: unset it")
        );
        let blind = Drivers {
            vulkan_loader: true,
            vulkan_drivers: icd.clone(),
            without_library: icd,
            ..bare("debian")
        };
        let said = of(&blind, &[], &writable());
        assert!(said[0].contains("find no card: /usr/share/vulkan/icd.d/lvp.json"), "{said:?}");
        assert!(said[1].contains("named but not there"), "{said:?}");
    }

    #[test]
    fn a_card_without_its_driver_is_not_passed_over() {
        let software = [adapter("software", "vulkan"), adapter("software", "gl")];
        let with = |cards: Vec<Maker>, container, on_windows| Drivers {
            os: "linux".into(),
            distribution: "debian".into(),
            vulkan_loader: true,
            cards,
            container,
            on_windows,
            ..Drivers::default()
        };
        let said = |drivers: &Drivers| of(drivers, &software, &writable()).join("\n");
        assert!(
            said(&with(vec![Maker::Nvidia], false, false)).contains("a card of NVIDIA: install its driver")
        );
        assert!(said(&with(vec![Maker::Nvidia], true, false)).contains("--gpus all"));
        assert!(said(&with(vec![Maker::Amd], false, false)).contains("a card of AMD: apt-get install"));
        assert!(said(&with(vec![Maker::Other(0x1af4)], true, false)).contains("this is a container"));
        assert!(said(&with(vec![], false, true)).contains("`dzn`"));
        assert!(said(&with(vec![], false, false)).contains("no card is seen"));
        let closed =
            Drivers { closed: vec!["/dev/dri/renderD128".into()], ..with(vec![Maker::Intel], false, false) };
        assert!(said(&closed).contains("may not open /dev/dri/renderD128: as root: usermod"));
        let card = [adapter("discrete", "vulkan"), adapter("software", "vulkan")];
        assert_eq!(of(&with(vec![Maker::Nvidia], false, false), &card, &writable()), [""; 0]);
    }

    #[test]
    fn other_systems_and_folders_that_cannot_be_written_are_told_of() {
        let mac = Drivers { os: "macos".into(), ..Drivers::default() };
        assert!(of(&mac, &[], &writable())[0].starts_with("no Metal adapter"));
        assert_eq!(of(&mac, &[adapter("integrated", "metal")], &writable()), [""; 0]);
        let windows = Drivers { os: "windows".into(), ..Drivers::default() };
        assert!(of(&windows, &[], &writable())[0].contains("WARP"));
        let closed = Cache { problem: Some("Permission denied".into()), ..writable() };
        let said = of(&mac, &[adapter("integrated", "metal")], &closed);
        assert!(
            said[0].contains("pipelines cannot be written (Permission denied)")
                && said[0].contains("WGRAD_PIPELINES")
        );
        let none = Cache { folder: None, problem: None };
        assert!(of(&mac, &[adapter("integrated", "metal")], &none)[0].contains("set HOME"));
        let case = Case {
            drivers: &mac,
            adapters: &[],
            cache: &none,
            runtime_dir: false,
            debug: true,
            backend: None,
        };
        assert!(advice_for(&case).iter().any(|advice| advice.what.starts_with("a debug build")));
    }
}
