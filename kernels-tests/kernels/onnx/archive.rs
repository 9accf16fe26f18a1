//! Cases in a zip file with the paths of the wheel.
use super::{
    graph,
    proto::{self, Model},
    tensor::Tensor,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{Read, Write},
    path::Path,
};

/// Folder of the cases in the wheel.
pub(super) const ROOT: &str = "onnx/backend/test/data/";

/// Most bytes of a case that is kept in the repository.
const KEPT: usize = 2048;

/// One data set of one case.
pub(super) struct Case {
    /// Name such as `node/adam`: its folder, without the prefix `test_`.
    pub(super) name: String,
    pub(super) model: Model,
    pub(super) inputs: Vec<Tensor>,
    pub(super) outputs: Vec<Tensor>,
}

/// The files of a wheel, or of a part of it.
pub(super) struct Archive {
    pub(super) files: BTreeMap<String, Vec<u8>>,
}

impl Archive {
    pub(super) fn open(path: &Path) -> Self {
        let mut zip = zip::ZipArchive::new(File::open(path).unwrap()).unwrap();
        let mut files = BTreeMap::new();
        for index in 0..zip.len() {
            let mut entry = zip.by_index(index).unwrap();
            let name = entry.name().to_owned();
            let wanted = name.starts_with(ROOT) || name.contains("licenses/LICENSE");
            if wanted && entry.is_file() {
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes).unwrap();
                files.insert(name, bytes);
            }
        }
        Self { files }
    }

    /// Names of all cases: folders `KIND/test_NAME`, and the networks of `light/`, each a file.
    pub(super) fn names(&self) -> Vec<String> {
        let named = |path: &String| {
            let mut parts = path.strip_prefix(ROOT)?.split('/');
            let (kind, case) = (parts.next()?, parts.next()?);
            let name = case.strip_prefix("test_").or(case.strip_suffix(".onnx"))?;
            Some(format!("{kind}/{name}"))
        };
        self.files.keys().filter_map(named).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Files of a case.
    pub(super) fn of(&self, name: &str) -> impl Iterator<Item = (&String, &Vec<u8>)> {
        let folder = format!("{ROOT}{}/", name.replacen('/', "/test_", 1));
        self.files.range(folder.clone()..).take_while(move |(path, _)| path.starts_with(&folder))
    }

    /// A case, or why it cannot be run; tensors are read only where the operators are known.
    pub(super) fn case(&self, name: &str) -> Result<Case, String> {
        let files: BTreeMap<&str, &[u8]> = self
            .of(name)
            .map(|(path, bytes)| {
                let folder = ROOT.len() + name.len() + "test_".len() + 1;
                (&path[folder..], &bytes[..])
            })
            .collect();
        if name.starts_with("light/") {
            return Err("a whole network".into());
        }
        let Some(model) = files.get("model.onnx") else {
            return Err("a network that is to be downloaded".into());
        };
        let model = Model::parse(model);
        if let Some(reason) = graph::unknown(&model.nodes) {
            return Err(reason);
        }
        assert!(!files.keys().any(|f| f.starts_with("test_data_set_1")), "{name}: two data sets");
        let tensors = |what: &str| -> Vec<Tensor> {
            (0..)
                .map_while(|i| files.get(format!("test_data_set_0/{what}_{i}.pb").as_str()))
                .map(|bytes| proto::tensor(bytes))
                .collect()
        };
        let (inputs, outputs) = (tensors("input"), tensors("output"));
        assert!(!outputs.is_empty(), "{name}: no outputs");
        Ok(Case { name: name.to_owned(), model, inputs, outputs })
    }

    /// Copies the small ones of these cases, unchanged and with the licence, to a separate file.
    pub(super) fn keep(&self, path: &Path, names: &[String]) {
        let mut zip = zip::ZipWriter::new(File::create(path).unwrap());
        let options = zip::write::SimpleFileOptions::default();
        let licence = self.files.iter().filter(|(path, _)| !path.starts_with(ROOT));
        // A case in which an operator is expanded into others has the same inputs and outputs as
        // the operator.
        let small = names.iter().filter(|name| {
            let bytes: usize = self.of(name).map(|file| file.1.len()).sum();
            bytes < KEPT && !name.ends_with("_expanded")
        });
        for (path, bytes) in licence.chain(small.flat_map(|name| self.of(name))) {
            zip.start_file(path, options).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap();
    }
}
