use super::*;
use crate::files::safetensors::Raw;
use std::{collections::BTreeMap, fs, path::PathBuf};
use tempfile::TempDir;

fn save(folder: &TempDir, ones: &Raw, zeros: &Raw, mapping: Option<&str>) -> PathBuf {
    let path = folder.path().join("map.safetensors");
    let tensors = [("stuck_at_1", ones), ("stuck_at_0", zeros)];
    let tensors = tensors.map(|(name, raw)| (name.to_owned(), raw.clone()));
    let metadata = mapping.map(|m| ("mapping".to_owned(), m.to_owned()));
    let metadata: BTreeMap<String, String> = metadata.into_iter().collect();
    safetensors::save(&path, &tensors.into(), &metadata).unwrap();
    path
}

fn write(folder: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn the_same_memory_comes_from_every_kind_of_file() {
    let folder = tempfile::tempdir().unwrap();
    // Row 0: bit 7 of byte 0 reads 1; row 1: bit 0 of byte 1 reads 0.
    let (ones, zeros) = ([0x80, 0, 0, 0], [0, 0, 0, 1]);
    let file = save(&folder, &Raw::u8(&[2, 2], &ones), &Raw::u8(&[2, 2], &zeros), None);
    let map = load_map(&[&file], None).unwrap();
    assert_eq!((map.stuck_at_1[..].to_vec(), &map.stuck_at_0[..]), (vec![0x80], &[1 << 24][..]));
    assert_eq!(map.mapping, Mapping::Linear);
    let zeros_row = vec!["0"; 16].join(",");
    let one = format!("0,0,0,0,0,0,0,1,{}\n{zeros_row}\n", ["0"; 8].join(","));
    let zero = format!("{zeros_row}\n{},1,{}\n\n", ["0"; 8].join(","), ["0"; 7].join(","));
    let pair = [write(&folder, "1.csv", &one), write(&folder, "0.csv", &zero)];
    assert_eq!(load_map(&pair, None).unwrap(), map);
    let mut header = b"\x93NUMPY\x01\0".to_vec();
    let text = "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 16), }";
    header.extend((text.len() as u16).to_le_bytes());
    header.extend(text.bytes());
    let mut cells = [0u8; 32];
    cells[7] = 1;
    let npy = folder.path().join("1.npy");
    fs::write(&npy, [&header[..], &cells].concat()).unwrap();
    assert_eq!(load_map(&[&npy, &pair[1]], None).unwrap(), map);
    // One matrix: faulty cells read the opposite.
    let flips = load_map(&[&npy], None).unwrap();
    assert_eq!((flips.stuck_at_1, flips.stuck_at_0), (vec![0x80], vec![0x80]));
}

#[test]
fn the_mapping_is_what_the_flag_or_the_file_says() {
    let folder = tempfile::tempdir().unwrap();
    let raw = Raw::u8(&[3, 16], &[0; 48]);
    let mapping = |named: Option<&str>, flag| {
        load_map(&[save(&folder, &raw, &raw, named)], flag).map(|map| map.mapping)
    };
    assert_eq!(mapping(Some("reference"), None).unwrap(), Mapping::Reference);
    assert_eq!(mapping(Some("reference"), Some(Mapping::Linear)).unwrap(), Mapping::Linear);
    assert_eq!(mapping(None, Some(Mapping::Reference)).unwrap(), Mapping::Reference);
    assert!(mapping(Some("diagonal"), None).is_err());
    // A memory of three rows begins again after 3 x 256 weights.
    let map = load_map(&[save(&folder, &raw, &raw, Some("reference"))], None).unwrap();
    let place = Place { layer: 1, address: 5 };
    assert_eq!([0, 63, 64, 191, 192].map(|w| map.index(place, w)), [0, 3, 4, 11, 0]);
}

#[test]
fn what_is_no_map_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |files: &[PathBuf], flag, says: &str| {
        let e = load_map(files, flag).unwrap_err();
        let text = format!("{e} {}", e.hint().unwrap());
        assert!(text.contains(says), "{text} lacks {says:?}");
    };
    let raw = |shape: &[usize], bytes: &[u8]| Raw::u8(shape, bytes);
    let file = |ones: &Raw, zeros: &Raw| [save(&folder, ones, zeros, None)];
    let both = raw(&[2, 2], &[0, 0, 4, 0]);
    refused(&file(&both, &both), None, "cell 2 of row 1 is stuck at 1 and at 0");
    refused(&file(&both, &raw(&[1, 4], &[0; 4])), None, "both must be of one memory");
    let odd = raw(&[1, 3], &[0; 3]);
    refused(&file(&odd, &odd), None, "whole number of 32-bit words");
    let none = raw(&[0, 4], &[]);
    refused(&file(&none, &none), None, "whole number");
    let flat = raw(&[4], &[0; 4]);
    refused(&file(&flat, &flat), None, "U8 [4]");
    refused(&file(&Raw::f32(&[1, 1], &[0.0]), &both), None, "F32 [1, 1]");
    let narrow = raw(&[1, 8], &[0; 8]);
    refused(&file(&narrow, &narrow), Some(Mapping::Reference), "--mapping linear");
    let csv = |text: &str| [write(&folder, "x.csv", text)];
    refused(&csv("0,1,0\n"), None, "multiple of 8");
    refused(&csv("0,0,0,0,0,0,0,2\n"), None, "line 1 has \"2\"");
    refused(&csv("0,0,0,0,0,0,0,1\n0\n"), None, "line 2 has 1 cells");
    refused(&csv("\n"), None, "0 cells");
    let two = [file(&both, &both)[0].clone(), csv("0")[0].clone()];
    refused(&two, None, "cells that read 0");
    refused(&[], None, "not the files of a map");
    assert!(load_map(&[folder.path().join("none.npy")], None).is_err());
}
