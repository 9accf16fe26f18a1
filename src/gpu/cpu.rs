//! Names the processor. A software adapter's speed and rounding depend on it, as a GPU's do on its
//! model.

/// The processor's name and its widest vector instructions, as in `AMD EPYC, AVX2`.
pub(super) fn describe() -> String {
    format!("{}, {}", name().unwrap_or_else(|| std::env::consts::ARCH.into()), vectors())
}

/// The operating system's name for the processor; `None` where that takes a call of a C function.
fn name() -> Option<String> {
    let text = match std::env::consts::OS {
        "linux" => std::fs::read_to_string("/proc/cpuinfo").ok()?,
        "windows" => std::env::var("PROCESSOR_IDENTIFIER").ok()?,
        _ => return None,
    };
    let name = text.lines().find_map(|line| match line.split_once(':') {
        Some((key, value)) if key.trim() == "model name" => Some(value),
        None if std::env::consts::OS == "windows" => Some(line),
        _ => None,
    })?;
    Some(name.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[cfg(target_arch = "x86_64")]
fn vectors() -> &'static str {
    if std::arch::is_x86_feature_detected!("avx512f") {
        "AVX-512"
    } else if std::arch::is_x86_feature_detected!("avx2") {
        "AVX2"
    } else {
        "SSE"
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn vectors() -> &'static str {
    if cfg!(target_arch = "aarch64") { "NEON" } else { "unknown vectors" }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_processor_has_a_name_and_vectors() {
        let text = super::describe();
        let (name, vectors) = text.rsplit_once(", ").unwrap();
        assert!(!name.is_empty() && !vectors.is_empty(), "{text}");
        assert!(!text.contains('\n') && !name.contains("  "), "{text}");
    }
}
