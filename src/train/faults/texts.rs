//! Texts that files of this program hold, for every fault model and restriction, as the version before
//! [`fault::Description`](crate::fault::Description) wrote them: they must never change.

use super::*;
use crate::{
    fault::{CellMap, Layout, Wording},
    models,
    report::{
        eval_json::{FlippedBits, Perturbed},
        fault_record::FaultRecord,
        shell, table,
    },
};

/// What is written of some faults.
struct Texts {
    /// In a checkpoint, and in a journal of an evaluation.
    identity: &'static str,
    /// In the metadata of a faulty file.
    sentence: &'static str,
    cell: &'static str,
    list: &'static str,
    /// Flags, one after another.
    flags: &'static str,
    /// Their part of `eval --json` and of the record of `inject`.
    document: &'static str,
    /// `ber`, `ber10` and `fault_detail` in the metadata of a generator.
    metadata: [&'static str; 3],
    /// Their part of `config.toml`.
    config: &'static str,
    /// The rate beside these settings.
    ber: Option<f64>,
}

fn all() -> [Faults; 9] {
    let map = |mapping| {
        let cells = CellMap { stuck_at_1: vec![3; 8], stuck_at_0: vec![12; 8], mapping };
        Profile { file: "my map.npy".into(), sha256: "ab".into(), ..cells.into() }
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("layout.toml");
    std::fs::write(&path, "[[layer]]\nlayer = \"conv1\"\naddress = 16\n").unwrap();
    let mut layout = Layout::load(&path).unwrap();
    (layout.file, layout.sha256) = ("layout.toml".into(), "cd".into());
    let new = |model, ber| Faults::new(model, ber).unwrap();
    let lot = |seed, shared| Lot::new(seed, shared).unwrap();
    let restricted = |faults: Faults, bits: &str, layers: &str| {
        faults.in_bits(bits.parse().unwrap()).in_layers(layers.parse().unwrap())
    };
    [
        new(FaultModel::Flip, 0.01),
        new(FaultModel::StuckAt, 1e-5),
        Faults::asymmetric(0.03, 0.001).unwrap(),
        new(FaultModel::Reference, 0.005),
        Faults::profile(map(Mapping::Linear)).unwrap(),
        Faults::profile(map(Mapping::Reference)).unwrap(),
        restricted(
            new(FaultModel::Flip, 0.02).of_lot(lot(3, 0.5)).unwrap(),
            "0,6-7",
            "layer1.*,!*.conv2",
        ),
        Faults::asymmetric(0.0, 0.3).unwrap().of_lot(lot(9, 1.0)).unwrap(),
        restricted(
            Faults::profile(Profile { layout: Some(layout), ..map(Mapping::Linear) }).unwrap(),
            "4-7",
            "conv1",
        ),
    ]
}

const TEXTS: [Texts; 9] = [
    Texts {
        identity: "flip 1e-2 1e-2 bits 0-7 layers ",
        sentence: "flip at a rate of 0.01",
        cell: "flip",
        list: "flip",
        flags: "--faults flip",
        document: r#""faults":"flip","ber":0.01"#,
        metadata: ["0.01", "0.01", "{}"],
        config: "faults = \"flip\"\nfault_map = []\n",
        ber: Some(0.01),
    },
    Texts {
        identity: "stuck-at 1e-5 1e-5 bits 0-7 layers ",
        sentence: "stuck-at at a rate of 0.00001",
        cell: "stuck-at",
        list: "stuck-at",
        flags: "--faults stuck-at",
        document: r#""faults":"stuck-at","ber":0.00001"#,
        metadata: ["0.00001", "0.00001", "{}"],
        config: "faults = \"stuck-at\"\nfault_map = []\n",
        ber: Some(1e-5),
    },
    Texts {
        identity: "asymmetric 3e-2 1e-3 bits 0-7 layers ",
        sentence: "asymmetric at rates of 0.03 (0 to 1) and 0.001 (1 to 0)",
        cell: "asymmetric 0.03, 0.001",
        list: "asymmetric, 0→1 at 3\u{a0}%, 1→0 at 0.1\u{a0}%",
        flags: "--faults asymmetric | --ber01 0.03 | --ber10 0.001",
        document: r#""faults":"asymmetric","ber":0.0155,"ber01":0.03,"ber10":0.001"#,
        metadata: ["0.03", "0.001", r#"{"ber01":0.03,"ber10":0.001}"#],
        config: "faults = \"asymmetric\"\nber01 = 0.03\nber10 = 0.001\nfault_map = []\n",
        ber: None,
    },
    Texts {
        identity: "reference 5e-3 5e-3 bits 0-7 layers ",
        sentence: "reference at a rate of 0.005",
        cell: "reference",
        list: "reference",
        flags: "--faults reference",
        document: r#""faults":"reference","ber":0.005"#,
        metadata: ["0.005", "0.005", "{}"],
        config: "faults = \"reference\"\nfault_map = []\n",
        ber: Some(0.005),
    },
    Texts {
        identity: "profile 1.25e-1 1.25e-1 bits 0-7 layers  map linear 8 ab",
        sentence: "profile of 12.500 % of the cells",
        cell: "profile",
        list: "profile, map my map.npy (linear), repeated 8385.50\u{a0}times",
        flags: "--faults profile | --fault-map 'my map.npy' --mapping linear",
        document: "\"faults\":\"profile\",\"ber\":0.125,\"map\":{\"file\":\"my map.npy\",\"file_sha256\":\"ab\"\
            ,\"mapping\":\"linear\",\"cells\":256,\"repeated\":8385.5}",
        metadata: [
            "0.125",
            "0.125",
            r#"{"map":{"cells":256,"file":"my map.npy","file_sha256":"ab","mapping":"linear","repeated":8385.5}}"#,
        ],
        config: "faults = \"profile\"\nfault_map = [\"my map.npy\"]\nmapping = \"linear\"\n",
        ber: None,
    },
    Texts {
        identity: "profile 1.25e-1 1.25e-1 bits 0-7 layers  map reference 8 ab",
        sentence: "profile of 12.500 % of the cells",
        cell: "profile",
        list: "profile, map my map.npy (reference)",
        flags: "--faults profile | --fault-map 'my map.npy' --mapping reference",
        document: "\"faults\":\"profile\",\"ber\":0.125,\"map\":{\"file\":\"my map.npy\",\"file_sha256\":\"ab\"\
            ,\"mapping\":\"reference\",\"cells\":256}",
        metadata: [
            "0.125",
            "0.125",
            r#"{"map":{"cells":256,"file":"my map.npy","file_sha256":"ab","mapping":"reference"}}"#,
        ],
        config: "faults = \"profile\"\nfault_map = [\"my map.npy\"]\nmapping = \"reference\"\n",
        ber: None,
    },
    Texts {
        identity: "flip 2e-2 2e-2 bits 0,6-7 layers layer1.*,!*.conv2 lot 3 5e-1",
        sentence: "flip at a rate of 0.02 in bits 0,6-7 in layers layer1.*,!*.conv2 of lot 3, 0.5 shared",
        cell: "flip bits 0,6-7 layers layer1.*,!*.conv2 lot 3 (0.5)",
        list: "flip, bits 0,6-7, layers layer1.*,!*.conv2, lot 3 with 50\u{a0}% of the weak cells shared",
        flags: "--faults flip | --bits 0,6-7 | --layers 'layer1.*,!*.conv2' | --lot 3 --shared 0.5",
        document: "\"faults\":\"flip\",\"ber\":0.02,\"bits\":\"0,6-7\",\"layers\":\"layer1.*,!*.conv2\",\"lot\"\
            :{\"seed\":3,\"shared\":0.5}",
        metadata: [
            "0.02",
            "0.02",
            r#"{"bits":"0,6-7","layers":"layer1.*,!*.conv2","lot":{"seed":3,"shared":0.5}}"#,
        ],
        config: "faults = \"flip\"\nfault_map = []\nlot = 3\nshared = 0.5\nbits = \"0,6-7\"\nlayers = \"layer\
            1.*,!*.conv2\"\n",
        ber: Some(0.02),
    },
    Texts {
        identity: "asymmetric 0e0 3e-1 bits 0-7 layers  lot 9 1e0",
        sentence: "asymmetric at rates of 0 (0 to 1) and 0.3 (1 to 0) of lot 9, 1 shared",
        cell: "asymmetric 0, 0.3 lot 9 (1)",
        list: "asymmetric, 0→1 at 0\u{a0}%, 1→0 at 30\u{a0}%, lot 9 with 100\u{a0}% of the weak cells shared",
        flags: "--faults asymmetric | --ber01 0 | --ber10 0.3 | --lot 9 --shared 1",
        document: r#""faults":"asymmetric","ber":0.15,"ber01":0.0,"ber10":0.3,"lot":{"seed":9,"shared":1.0}"#,
        metadata: ["0", "0.3", r#"{"ber01":0.0,"ber10":0.3,"lot":{"seed":9,"shared":1.0}}"#],
        config: "faults = \"asymmetric\"\nber01 = 0.0\nber10 = 0.3\nfault_map = []\nlot = 9\nshared = 1.0\n",
        ber: None,
    },
    Texts {
        identity: "profile 1.25e-1 1.25e-1 bits 4-7 layers conv1 map linear 8 ab layout cd",
        sentence: "profile of 12.500 % of the cells in bits 4-7 in layers conv1",
        cell: "profile bits 4-7 layers conv1",
        list: "profile, bits 4-7, layers conv1, map my map.npy (linear), laid out by layout.toml, repeated \
            14.00\u{a0}times",
        flags: "--faults profile | --bits 4-7 | --layers conv1 | --fault-map 'my map.npy' --mapping linear | \
            --layout layout.toml",
        document: "\"faults\":\"profile\",\"ber\":0.125,\"bits\":\"4-7\",\"layers\":\"conv1\",\"map\":{\"file\"\
            :\"my map.npy\",\"file_sha256\":\"ab\",\"mapping\":\"linear\",\"layout\":{\"file\":\"layout.\
            toml\",\"file_sha256\":\"cd\"},\"cells\":256,\"repeated\":14.0}",
        metadata: [
            "0.125",
            "0.125",
            "{\"bits\":\"4-7\",\"layers\":\"conv1\",\"map\":{\"cells\":256,\"file\":\"my map.npy\",\"file\
                _sha256\":\"ab\",\"layout\":{\"file\":\"layout.toml\",\"file_sha256\":\"cd\"},\"mapping\":\"\
                linear\",\"repeated\":14.0}}",
        ],
        config: "faults = \"profile\"\nfault_map = [\"my map.npy\"]\nmapping = \"linear\"\nlayout = \"layout.\
            toml\"\nbits = \"4-7\"\nlayers = \"conv1\"\n",
        ber: None,
    },
];

#[test]
fn files_say_of_faults_what_they_always_said() {
    let rate = Wording::List(|rate| format!("{}\u{a0}%", 100.0 * rate));
    let graph = models::base("resnet20", 10, None).unwrap();
    for (faults, texts) in all().into_iter().zip(TEXTS) {
        assert_eq!(faults.identity(), texts.identity);
        assert_eq!(faults.to_string(), texts.sentence);
        let described = graph.described(&faults);
        assert_eq!(table::faults(&described), texts.cell);
        assert_eq!(described.words(rate).concat(), texts.list);
        assert_eq!(described.words(Wording::Flags(shell::quoted)).join(" | "), texts.flags);
        let p = Perturbed::new(described.clone(), &[7], &[1.0], None, FlippedBits::default());
        let record = FaultRecord { faults: described.clone(), ..FaultRecord::default() };
        let [p, record] = [serde_json::to_string(&p), serde_json::to_string(&record)];
        for (text, after) in [(p.unwrap(), ",\"seeds\""), (record.unwrap(), ",\"seed\"")] {
            let part = format!("{}{after}", texts.document);
            assert!(text.contains(&part), "{text} lacks {part}");
        }
        let read = |text: &str| serde_json::from_str::<Description>(text).unwrap();
        assert_eq!(read(&format!("{{{}}}", texts.document)), described);
        let rates = faults.rates();
        let detail = Fields { faults: None, ber: None, ..described.fields() };
        let detail = serde_json::json!(detail).to_string();
        assert_eq!([rates[0].to_string(), rates[1].to_string(), detail], texts.metadata);
        let detail = serde_json::from_str::<Fields>(texts.metadata[2]).unwrap();
        let fields = Fields { faults: Some(faults.kind()), ber: Some(rates[0]), ..detail };
        assert_eq!(fields.faults().unwrap(), described);
        let (args, ber) = FaultArgs::of_document(&described);
        assert_eq!((toml::to_string(&args).unwrap().as_str(), ber), (texts.config, texts.ber));
        if faults.measured().is_none() {
            assert_eq!(args.at(ber).unwrap(), faults);
        }
    }
}

#[test]
fn a_document_that_contradicts_itself_is_refused() {
    for (fields, says) in [
        (r#""faults": "melt", "ber": 0.1"#, "unknown variant `melt`"),
        (r#""faults": "flip", "ber": 1.5"#, "1.5 is not a rate"),
        (r#""faults": "flip", "ber": 5e-324"#, "draws no cell"),
        (r#""faults": "flip", "ber": 0.1, "ber01": 0.1"#, "not those of the fault model"),
        (r#""faults": "profile", "ber": 0.1"#, "there is no measured map"),
        (r#""faults": "flip", "ber": 0.1, "bits": "8""#, "--bits"),
        (r#""faults": "flip", "ber": 0.1, "layers": """#, "--layers"),
        (r#""faults": "flip", "ber": 0.1, "lot": {"seed": 1, "shared": 2}"#, "--shared"),
        (r#""faults": "reference", "ber": 0.1, "lot": {"seed": 1, "shared": 1}"#, "--lot"),
    ] {
        let e = serde_json::from_str::<Description>(&format!("{{{fields}}}")).unwrap_err();
        assert!(e.to_string().contains(says), "{e}");
    }
    let map = r#""map": {"file": "a", "file_sha256": "b", "mapping": "linear"}"#;
    let of = |model: &str, ber: &str| {
        let text = format!(r#"{{"faults": "{model}", "ber": {ber}, {map}}}"#);
        serde_json::from_str::<Description>(&text)
    };
    assert!(
        of("profile", "1").is_ok() && of("profile", "1.1").is_err() && of("flip", "0").is_err()
    );
    // Before there was a rate per direction, one rate was that of both.
    let both: Description =
        serde_json::from_str(r#"{"faults": "asymmetric", "ber": 0.1}"#).unwrap();
    assert_eq!(both.rates(), [0.1, 0.1]);
}
