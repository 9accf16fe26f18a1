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
    // One matrix alone: faulty cells read the opposite of what is stored.
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
    refused(&csv("0,1,0\n"), None, "begin a list with the line row,column,value");
    refused(&csv("0,1\n"), None, "multiple of 8");
    refused(&csv("0,nan,0,0,0,0,0,1\n"), None, "line 1 has \"nan\"");
    refused(&csv("0,0,0,0,0,0,0,2\n"), None, "line 1 has \"2\"");
    refused(&csv("0,0,0,0,0,0,0,1\n0\n"), None, "line 2 has 1 cells");
    refused(&csv("\n"), None, "it holds nothing");
    let two = [file(&both, &both)[0].clone(), csv("0")[0].clone()];
    refused(&two, None, "cells that read 0");
    refused(&[], None, "not the files of a map");
    assert!(load_map(&[folder.path().join("none.npy")], None).is_err());
}

/// Row 1, column 9 reads 1; row 3, column 2 reads 0; rows of 16 cells.
const LISTS: [&str; 13] = [
    "row,column,value\n1,9,1\n3,2,0\n# rows: 4, columns: 16\n",
    "1,9,1\n3,2,0\n",
    "\u{feff}Row;Col;Stuck At\r\n1;9;1\r\n\r\n3;2;0\r\n",
    "value\tbit\taddress\n1\t9\t0x1\nSA0\t2\t0x3\n",
    "# rows = 4 columns = 0x10\nrow column value\n 1   9 1\n3 2 0 # again\n3 2 0\n",
    ",row,col,val\n0,1,9,1\n1,3,2,0\n",
    "\"row\",\"col\",\"stuck_at\"\n1.0,9.0,1.0\n3.0,2.0,0.0\n",
    "WL,BL,reads\n3,2,sa0\n1,9,sa1,\n",
    "row,column,value\n3,2,stuck-at-0\n1,9,stuck-at-1\n",
    "Row Address;Bit Line;Stuck-At\n1;9;SA-1\n3;2;s-a-0\n",
    "row_ADDR,Bit.Index,stuckAtValue\n1,9,True\n3,2,FALSE\n",
    "# 25 °C, failing bits: 2, faulty rows: 2\nrow,column,value\n1,9,stuck at 1\n3,2,stuck_at_0\n",
    "# column row value\n9.000e+00 1.000e+00 1.000e+00\n2.000e+00 3.000e+00 0.000e+00\n",
];

#[test]
fn a_list_of_cells_is_the_matrix_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let row = |one: Option<usize>| {
        (0..16).map(|c| if Some(c) == one { "1" } else { "0" }).collect::<Vec<_>>().join(",")
    };
    let matrix = |rows: [Option<usize>; 4]| rows.map(row).join("\n");
    let ones = write(&folder, "1.csv", &matrix([None, Some(9), None, None]));
    let zeros = write(&folder, "0.csv", &matrix([None, None, None, Some(2)]));
    let map = load_map(&[&ones, &zeros], None).unwrap();
    for (i, text) in LISTS.iter().enumerate() {
        let list = write(&folder, &format!("list{i}.{}", ["csv", "TXT", "tsv"][i % 3]), text);
        assert_eq!(load_map(&[list], None).unwrap(), map, "{text}");
    }
    // A list without values is read like a matrix: given alone, its faulty cells flip.
    let listed = [("1", "1,9"), ("0", "3,2")].map(|(name, cell)| {
        let text = format!("# rows: 4, columns: 16\nrow,column\n{cell}\n");
        write(&folder, &format!("of{name}.csv"), &text)
    });
    assert_eq!(load_map(&listed, None).unwrap(), map);
    let flips = load_map(&listed[..1], None).unwrap();
    assert_eq!(flips, load_map(&[&ones], None).unwrap());
    // NumPy's `savetxt` writes floats with blanks between them.
    let savetxt = matrix([None, Some(9), None, None]).replace(',', " ");
    let savetxt = savetxt.replace('0', "0.000e+00").replace('1', "1.000e+00");
    assert_eq!(load_map(&[write(&folder, "np.txt", &savetxt)], None).unwrap(), flips);
}

#[test]
fn a_memory_is_as_large_as_somebody_says() {
    let folder = tempfile::tempdir().unwrap();
    let layout = |text: &str| write(&folder, "layout.toml", text);
    let load = |text: &str, layout: Option<&PathBuf>| {
        let list = write(&folder, "x.csv", text);
        Profile::load(&[list], None, layout.map(PathBuf::as_path))
    };
    let text = "row,column,value\n9,20,1\n";
    let assumed = load(text, None).unwrap();
    assert_eq!((assumed.size_assumed, assumed.cells.words()), (true, 10));
    // Rows of one byte: their number is rounded up to whole words.
    assert_eq!(load("address,bit,value\n4,7,1\n", None).unwrap().cells.words(), 2);
    let said = load(text, Some(&layout("rows = 12\ncolumns = 64\n"))).unwrap();
    assert_eq!((said.size_assumed, said.cells.words()), (false, 24));
    assert_eq!(said.cells.stuck_at_1[18], 1 << 20);
    for (list, toml, says) in [
        ("# rows: 11\n9,20,1\n", "rows = 12\n", "the memory has 11 rows, by --layout 12"),
        ("9,20,1\n", "rows = 9\n", "line 1: row 9 of a memory of 9 rows"),
        ("row,column,value\n1,1,1\n9,20,1\n", "columns = 16\n", "line 3: column 20 of"),
        ("9,20,1\n", "rows = 12\ncolumns = 30\n", "multiple of 8"),
    ] {
        let e = load(list, Some(&layout(toml))).unwrap_err();
        assert!(format!("{e} {}", e.hint().unwrap()).contains(says), "{e}");
    }
    let matrix = write(&folder, "m.csv", &["0"; 32].join(","));
    let e = Profile::load(&[matrix], None, Some(&layout("rows = 2\n"))).unwrap_err();
    assert!(e.to_string().contains("the memory has 1 rows, by --layout 2"), "{e}");
}

#[test]
fn what_is_no_list_is_refused_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    for (text, says) in [
        ("row,column,value\n1,2,1\n1,3,0\n1,2,0\n", "row 1, column 2 reads 0 and 1: lines 2 and 4"),
        ("row,column,value\n1,2,7\n", "line 2 has \"7\" for what the cell reads"),
        ("row,column,value\n1,-2,1\n", "line 2 has \"-2\" for a column"),
        ("row,column,value\n1,2.5,1\n", "line 2 has \"2.5\" for a column"),
        ("row,column,value\n1,2\n", "line 2 has 2 fields, not 3"),
        ("row,column,bank\n1,2,1\n", "line 1 names a column \"bank\""),
        ("row,address,bit\n1,2,1\n", "line 1 names the row twice"),
        ("row,value\n1,1\n", "line 1 names no column of the row"),
        ("column,value\n1,1\n", "line 1 names no row"),
        ("1,20,3\n", "a header says so"),
        ("row,column,value\n33554431,127,1\n", "more than a list can describe"),
        ("row,column,value\n99999999999,1,1\n", "line 2 has \"99999999999\" for a row"),
    ] {
        let e = load_map(&[write(&folder, "x.csv", text)], None).unwrap_err();
        assert!(format!("{e} {}", e.hint().unwrap()).contains(says), "{text}: {e}");
    }
    let list = write(&folder, "x.csv", "9,1,1\n");
    let e = load_map(&[&list, &list], None).unwrap_err();
    assert!(e.hint().unwrap().contains("give it alone"), "{e}");
}

fn network() -> [Placed<'static>; 3] {
    let layer = |name, bytes| Placed { name, bytes, can_fail: true };
    [layer("conv1.weight", 6), layer("conv2.weight", 16), layer("linear.weight", 4)]
}

#[test]
fn a_layout_gives_layers_their_addresses() {
    let folder = tempfile::tempdir().unwrap();
    let places = |text: &str, network: &[Placed<'_>]| {
        let layout = Layout::load(&write(&folder, "layout.toml", text))?;
        layout.places(network)
    };
    let all = |order: [(&str, u64); 3]| {
        order.map(|(n, a)| format!("[[layer]]\nlayer = \"{n}\"\naddress = {a}\n")).concat()
    };
    let (found, reach) =
        places(&all([("linear", 40), ("conv1.weight", 0), ("conv2", 8)]), &network()).unwrap();
    let words: Vec<_> = found.iter().map(|place| (place.layer, place.address)).collect();
    assert_eq!((words, reach), (vec![(0, 0), (1, 2), (2, 10)], 11));
    // Only layers that can fail need an address.
    let mut some = network();
    some[0].can_fail = false;
    let two = "[[layer]]\nlayer = \"linear\"\naddress = 0x0\n[[layer]]\nlayer = \"conv2\"\n\
               address = 0x1000\n";
    assert_eq!(places(two, &some).unwrap().0[1].address, 1024);
    for (text, says) in [
        (two.to_owned(), "it gives no address to conv1"),
        (
            all([("conv1", 0), ("conv2", 4), ("linear", 40)]),
            "conv1, bytes 0 to 7, and conv2, from 4",
        ),
        (all([("conv1", 0), ("conv3", 8), ("linear", 40)]), "did you mean conv"),
        (
            all([("conv1", 0), ("conv1.weight", 8), ("linear", 40)]),
            "conv1.weight has two addresses",
        ),
        (
            all([("conv1", 0), ("conv2", 10), ("linear", 40)]),
            "the address of conv2, 10, is no word's",
        ),
        (all([("conv1", 0), ("conv2", 1 << 34), ("linear", 40)]), "below 16 GiB"),
        ("[[layer]]\nlayer = \"conv1\"\naddress = -4\n".into(), "line 3: "),
        ("[[layer]]\nlayer = \"conv1\"\n".into(), "missing field `address`"),
        ("[[layer]]\nlayer = \"conv1\"\naddress = 0\nbank = 1\n".into(), "unknown field `bank`"),
        (String::new(), "it says nothing"),
    ] {
        let e = places(&text, &network()).unwrap_err();
        assert!(format!("{e} {}", e.hint().unwrap()).contains(says), "{e} {:?}", e.hint());
    }
    let path = write(&folder, "layout.toml", &all([("conv1", 0), ("conv2", 8), ("linear", 40)]));
    let raw = Raw::u8(&[3, 16], &[0; 48]);
    let map = save(&folder, &raw, &raw, Some("reference"));
    let e = Profile::load(&[&map], None, Some(&path)).unwrap_err();
    assert!(e.to_string().contains("every layer begins at row 0"), "{e}");
    let linear = Profile::load(&[map], Some(Mapping::Linear), Some(&path)).unwrap();
    let (_, reach) = linear.places(&network()).unwrap();
    let lines = linear.remarks(reach);
    assert_eq!(lines[0], "the map holds 384 cells; the layout reaches to cell 352");
    assert_eq!(lines[1], "the map has no faulty cell: nothing fails");
}

#[test]
fn a_map_says_how_often_it_is_repeated() {
    let cells =
        CellMap { stuck_at_1: vec![1; 10], stuck_at_0: vec![0; 10], mapping: Mapping::Linear };
    let mut profile = Profile::from(cells);
    let says = |profile: &Profile, words| profile.remarks(words).join("; ");
    let repeated = "the map holds 320 cells; the weights need 576: it is repeated 1.80 times";
    assert_eq!(says(&profile, 18), repeated);
    assert_eq!(says(&profile, 10), "the map holds 320 cells; the weights need 320");
    assert_eq!(profile.repeated(5), Some(0.5));
    profile.cells.mapping = Mapping::Reference;
    assert!(profile.repeated(18).is_none() && says(&profile, 18).contains("begins at its row 0"));
}

#[test]
fn only_a_comment_of_nothing_else_says_the_size() {
    let folder = tempfile::tempdir().unwrap();
    let load = |comment: &str| {
        let text = format!("{comment}\nrow,column,value\n1,9,1\n3,20,0\n");
        let profile = Profile::load(&[write(&folder, "x.csv", &text)], None, None)?;
        Ok((profile.cells.words(), profile.size_assumed))
    };
    for said in [
        "# rows: 8, columns: 64",
        "#Columns=64 ROWS=0x8",
        "## rows = 8.0 ; columns : 64\r",
        "# rows: 8\n# columns: 64",
        "#\trows:8\tcolumns:64",
        "# a tester's words\n# rows: 8, columns: 64\n# rows: some",
    ] {
        assert_eq!(load(said).unwrap(), (16, false), "{said}");
    }
    for silent in [
        "# tester X, failing bits: 1232",
        "# faulty rows: 12",
        "# rows: 12 are faulty",
        "# 10000 of 524288 bits = 1.9 %",
        "# words: 99, bits: 8",
        "# rows: 1, rows: 2, columns: 8",
        "# rows: many, columns: 8",
        "# columns: -8",
        "# rows 8 columns 64",
        "#",
    ] {
        assert_eq!(load(silent).unwrap(), (4, true), "{silent}");
    }
    let e: Error = load("# rows: 8, columns: 8").unwrap_err();
    assert!(e.to_string().contains("column 9 of a memory of 8 columns"), "{e}");
}

#[test]
fn a_file_of_another_name_is_what_it_holds() {
    let folder = tempfile::tempdir().unwrap();
    let list = write(&folder, "list.csv", LISTS[0]);
    let map = load_map(&[&list], None).unwrap();
    let row = |one| (0..16).map(|c| if c == one { "1 " } else { "0 " }).collect::<String>();
    for (i, name) in ["map.dat", "map", "map.LOG", "map.7"].into_iter().enumerate() {
        assert_eq!(load_map(&[write(&folder, name, LISTS[i])], None).unwrap(), map, "{name}");
        let pair = [
            write(&folder, &format!("1{name}"), &[16, 9, 16, 16].map(row).join("\n")),
            write(&folder, &format!("0{name}"), &[16, 16, 16, 2].map(row).join("\n")),
        ];
        assert_eq!(load_map(&pair, None).unwrap(), map, "{name}");
    }
    // Any encoding that marks itself is read; Latin-1 cannot be recognised for certain and is
    // refused.
    let bytes = folder.path().join("bytes");
    let utf_16 = || [0xfeff].into_iter().chain(LISTS[0].encode_utf16());
    for text in [
        utf_16().flat_map(u16::to_le_bytes).collect::<Vec<_>>(),
        utf_16().flat_map(u16::to_be_bytes).collect(),
        [b"\xef\xbb\xbf", LISTS[0].as_bytes()].concat(),
    ] {
        for name in ["bytes", "bytes.csv"] {
            let path = folder.path().join(name);
            fs::write(&path, &text).unwrap();
            assert_eq!(load_map(&[path], None).unwrap(), map);
        }
    }
    fs::write(&bytes, [&b"# 25 \xb0C\n"[..], LISTS[0].as_bytes()].concat()).unwrap();
    let e = load_map(&[&bytes], None).unwrap_err();
    assert_eq!(e.hint().unwrap(), "save it as UTF-8", "{e}");
    let raw = Raw::u8(&[4, 2], &[0, 0, 0, 2, 0, 0, 0, 0]);
    let none = Raw::u8(&[4, 2], &[0, 0, 0, 0, 0, 0, 4, 0]);
    fs::rename(save(&folder, &raw, &none, None), &bytes).unwrap();
    assert_eq!(load_map(&[&bytes], None).unwrap(), map);
    let mut npy = b"\x93NUMPY\x01\0".to_vec();
    let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (4, 16), }";
    npy.extend((header.len() as u16).to_le_bytes());
    npy.extend([header.as_bytes(), &[0; 64]].concat());
    npy[10 + header.len() + 25] = 1;
    fs::write(&bytes, npy).unwrap();
    let flips = load_map(&[&bytes], None).unwrap();
    assert_eq!((flips.stuck_at_1, flips.stuck_at_0), (vec![1 << 25, 0], vec![1 << 25, 0]));
    for (text, says) in
        [("{\"rows\": 1}", "JSON"), ("<html></html>", "a web page"), ("\u{1}", "no")]
    {
        let e = load_map(&[write(&folder, "x.dat", text)], None).unwrap_err().to_string();
        assert!(e.contains("it is not a safetensors file") && e.contains(says), "{e}");
    }
}

#[test]
fn addresses_that_seem_to_count_bytes_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let says = |text: &str| {
        let profile = Profile::load(&[write(&folder, "x.csv", text)], None, None).unwrap();
        let lines = profile.remarks(1);
        (
            profile.cells.words(),
            lines.iter().any(|line| line.contains("if it counts bytes, divide it")),
        )
    };
    let list = |header: &str, rows: [u32; 4]| {
        let cells = rows.map(|row| format!("{row},31,1\n"));
        format!("{header}\n{}", cells.concat())
    };
    for (header, rows, named) in [
        ("address,bit,value", [0, 4, 12, 40], true),
        ("Addr,bit,value", [8, 8, 12, 40], true),
        ("address,bit,value", [0, 4, 12, 41], false),
        ("row,bit,value", [0, 4, 12, 40], false),
        ("address,bit,value", [0, 0, 0, 40], false),
    ] {
        // The cells are read in the same way, whether the addresses are remarked on or not.
        assert_eq!(
            says(&list(header, rows)),
            (u32::from(rows[3] as u16) + 1, named),
            "{header} {rows:?}"
        );
    }
    // Words of one byte, each with an address.
    assert!(!says("address,bit,value\n4,7,1\n8,7,1\n").1);
    // Words of two bytes.
    assert!(says("# columns: 16\naddress,bit\n4,7\n6,1\n").1);
}
