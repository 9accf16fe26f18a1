//! Two adapters that look the same: a lost device is opened again on the same adapter.
#![cfg(target_os = "linux")]
use super::{Ended, Place};
use crate::extent::skipped;
use nf_gpu::gpu;
use std::{fs, path::Path};

/// The driver of a software adapter by its loader's file: the library's path.
fn library() -> Option<String> {
    let folder = fs::read_dir("/usr/share/vulkan/icd.d").ok()?;
    let text = folder.flatten().filter(|e| e.file_name().to_string_lossy().starts_with("lvp_icd"));
    let text = fs::read_to_string(text.last()?.path()).ok()?;
    let file: serde_json::Value = serde_json::from_str(&text).ok()?;
    let library = file["ICD"]["library_path"].as_str()?.to_owned();
    Path::new(&library).is_absolute().then_some(library)
}

#[test]
fn a_lost_device_is_opened_again_on_the_adapter_that_it_was_on() {
    let place = Place::new();
    let Some(library) = library() else {
        skipped("no llvmpipe whose library can be copied");
        return;
    };
    let copies = ["one.so", "two.so"].map(|name| place.path(name));
    let files = copies.iter().map(|copy| {
        fs::copy(&library, copy).unwrap();
        let icd = serde_json::json!({ "api_version": "1.1.0", "library_path": copy });
        let file = copy.with_extension("json");
        let text = serde_json::json!({ "file_format_version": "1.0.0", "ICD": icd }).to_string();
        fs::write(&file, text).unwrap();
        file.display().to_string()
    });
    let files = files.collect::<Vec<_>>().join(":");
    let run = |line: &str, trouble: &str| {
        let mut command = place.nf(line);
        command.env("VK_DRIVER_FILES", &files).env("VK_ICD_FILENAMES", &files);
        command.env("NF_GPU_TROUBLE", trouble).env("VK_LOADER_DEBUG", "driver,layer");
        Ended::of(&mut command)
    };
    let listed = run("devices --json --backend vulkan", "").done();
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    let adapters = listed["adapters"].as_array().unwrap();
    if adapters.len() < 2
        || adapters[0]["name"] != adapters[1]["name"]
        || adapters[1]["backend"] != "vulkan"
    {
        skipped(&format!("the loader shows no two copies of {}", gpu::list()[0].line()));
        return;
    }
    let ended = run(
        "train --base base.safetensors --steps 2 --batch-size 2 --chip 3 --images 2 --adapter 1 \
         --checkpoint-every 1 --out run",
        "lose@submit:14",
    );
    assert!(ended.stderr.contains("again (1 of 3)"), "{ended:?}");
    // The loader reports the library of each device that it opens.
    let opened: Vec<&str> =
        ended.stderr.lines().filter(|l| l.contains("Using \"llvmpipe")).collect();
    assert!(opened.len() >= 2, "{ended:?}");
    let of = |line: &str| copies.iter().position(|copy| line.contains(copy.to_str().unwrap()));
    let opened: Vec<_> = opened.iter().map(|line| of(line)).collect();
    assert!(opened[0].is_some() && opened.iter().all(|copy| *copy == opened[0]), "{opened:?}");
    assert_eq!(ended.code, Some(0), "{ended:?}");
}
