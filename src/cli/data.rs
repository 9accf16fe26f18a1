//! `nf-gpu data`: list, fetch, check and show data sets.

mod console;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use console::FetchConsole;

use super::{
    interrupt,
    places::Places,
    terminal::{print, print_json},
};
use crate::{
    data::{
        self, DatasetInfo, FetchEvent, FileCheck, Preprocess, PreprocessArgs, Preprocessing, Side,
        Split, contact_sheet,
    },
    error::{Error, Result},
    files,
    report::csv::Csv,
    words::{bytes, path},
};

/// Arguments of `nf-gpu data`.
#[derive(Args, Debug)]
pub struct DataArgs {
    #[command(subcommand)]
    command: DataCommand,
}

#[derive(Subcommand, Debug)]
enum DataCommand {
    /// The data sets by name, with size, licence and source
    #[command(after_help = "Example: nf-gpu data list")]
    List {
        /// Write the list to this file, with the fields of --json as columns
        #[arg(long, value_name = "FILE")]
        csv: Option<PathBuf>,
        #[command(flatten)]
        common: Common,
    },
    /// Download a data set and verify it
    ///
    /// Files that are there and right are kept; an interrupted download goes on where it stopped.
    #[command(after_help = "Example: nf-gpu data fetch cifar10")]
    Fetch {
        /// Name of the data set (see `nf-gpu data list`)
        name: String,
        /// No progress and no messages
        #[arg(long)]
        quiet: bool,
        #[command(flatten)]
        common: Common,
    },
    /// Verify the files of a data set and count its classes
    ///
    /// By their checksums where they have some; else every image is read, and the names of those
    /// that cannot be read are listed.
    #[command(after_help = "Examples: nf-gpu data check cifar10; nf-gpu data check my/photos")]
    Check {
        /// Name of the data set, a folder with train/CLASS/IMAGE and test/CLASS/IMAGE, or NumPy's data.npz
        name: String,
        #[command(flatten)]
        common: Common,
    },
    /// Draw a contact sheet: a row for each class
    #[command(after_help = "Examples: nf-gpu data show cifar10 --out sheet.png; \
                            nf-gpu data show my/photos --side 224 --out sheet.png")]
    Show {
        /// Name of the data set, a folder with train/CLASS/IMAGE and test/CLASS/IMAGE, or NumPy's data.npz
        name: String,
        /// The PNG file to write
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// Which images
        #[arg(long, value_enum, default_value_t = Split::Train)]
        split: Split,
        /// Images in a row
        #[arg(long, value_name = "N", default_value_t = 12)]
        columns: u32,
        /// Size of the images, with rows first (default: that of a named data set or of arrays, 32 for a folder)
        #[arg(long, value_name = "N|HxW")]
        side: Option<Side>,
        /// How images of another size get there (default: those of a folder are squashed)
        #[arg(long, value_enum)]
        preprocess: Option<Preprocess>,
        #[command(flatten)]
        common: Common,
    },
}

#[derive(Args, Debug)]
struct Common {
    /// Folder of the fetched data sets
    #[arg(long, value_name = "DIR", default_value = data::DEFAULT_DIR)]
    data_dir: PathBuf,
    /// Print one JSON document instead of text
    #[arg(long)]
    json: bool,
}

/// Runs `nf-gpu data`.
///
/// # Errors
/// Those of [`data::open_sized`], [`data::fetch`] and [`data::check`]; [`Error::Format`] when a checked
/// file is wrong; [`Error::Write`] for the contact sheet.
pub fn run(args: &DataArgs) -> Result<()> {
    match &args.command {
        DataCommand::List { csv, common } => list(common, csv.as_deref()),
        DataCommand::Fetch { name, quiet, common } => fetch(name, *quiet, common),
        DataCommand::Check { name, common } => check(name, common),
        DataCommand::Show { name, out, split, columns, side, preprocess, common } => {
            let args = PreprocessArgs { side: *side, preprocess: *preprocess };
            show(name, out, *split, (*columns, args), common)
        }
    }
}

fn list(common: &Common, csv: Option<&Path>) -> Result<()> {
    Places::default().writes("--csv", csv).check()?;
    let mut listed = Vec::new();
    let mut text = String::new();
    for info in data::known() {
        let here = data::is_here(info.name, &common.data_dir)?;
        let mut entry = json!(info);
        entry["available"] = here.into();
        listed.push(entry);
        text += &describe(info, here);
    }
    let listed = Value::from(listed);
    if let Some(path) = csv {
        Csv::of_records(&listed).save(path)?;
    }
    if common.json {
        return print_json(&json!({ "version": 1, "datasets": listed }));
    }
    print(&text)
}

fn describe(info: &DatasetInfo, here: bool) -> String {
    let state = match (info.embedded, here) {
        (true, _) => "embedded",
        (false, true) => "fetched",
        (false, false) => "not fetched",
    };
    let size = format!(
        "{} + {} images, {} classes, {}, {state}",
        info.train_images,
        info.test_images,
        info.classes,
        bytes(info.bytes)
    );
    format!(
        "{:<16}{}\n{:16}{size}\n{:16}licence: {}\n{:16}{}\n",
        info.name, info.title, "", "", info.licence, "", info.source
    )
}

fn fetch(name: &str, quiet: bool, common: &Common) -> Result<()> {
    let needs_nothing = data::is_yours(name) || data::info(name)?.embedded;
    interrupt::watch(quiet);
    let console = FetchConsole::new(quiet);
    let mut files = Vec::new();
    let mut source = Value::Null;
    let fetched = data::fetch(name, &common.data_dir, &mut |event| {
        match &event {
            FetchEvent::Trying { source: s } => source = json!(s),
            FetchEvent::Kept { file } => files.push(json!({ "file": path(file), "state": "kept" })),
            FetchEvent::Wrote { file } => {
                files.push(json!({ "file": path(file), "state": "written" }));
            }
            FetchEvent::Failed { .. } | FetchEvent::Downloading { .. } => {}
        }
        console.show(&event);
        !interrupt::pressed()
    });
    drop(console);
    fetched?;
    if common.json {
        return print_json(&json!({
            "version": 1, "dataset": name, "dir": path(&common.data_dir), "embedded": needs_nothing,
            "source": source, "files": files,
        }));
    }
    let dir = common.data_dir.display();
    print(&match (needs_nothing, source.as_str()) {
        (true, _) if data::is_folder(name) => {
            format!("{name} is a folder of yours: there is nothing to fetch\n")
        }
        (true, _) if data::is_yours(name) => {
            format!("{name} holds arrays of yours: there is nothing to fetch\n")
        }
        (true, _) => format!("{name} is embedded: there is nothing to fetch\n"),
        (false, None) => format!("{name} was in {dir} already, verified\n"),
        (false, Some(source)) => format!("{name} is in {dir}, from {source}, verified\n"),
    })
}

fn check(name: &str, common: &Common) -> Result<()> {
    let checks = data::check(name, &common.data_dir)?;
    let wrong = checks.iter().find(|c| !c.is_right());
    let mut names = Vec::new();
    let mut counts = Vec::new();
    let mut remarks = Vec::new();
    // The classes of a folder are known even if an image is damaged.
    if wrong.is_none() || data::is_folder(name) {
        for split in [Split::Train, Split::Test] {
            remarks.extend(data::remarks(name, split, 32)?);
            let (classes, count) = data::contents(name, &common.data_dir, split)?;
            names = classes;
            counts.push(count);
        }
    }
    if common.json {
        print_json(&json!({
            "version": 1, "dataset": name, "ok": wrong.is_none(),
            "files": checks.iter().map(file_json).collect::<Vec<_>>(),
            "class_names": names, "train": counts.first(), "test": counts.get(1), "remarks": remarks,
        }))?;
    } else {
        let lines = checks.iter().map(|c| format!("{}: {}\n", c.path.display(), c.describe()));
        let mut text: String = lines.collect();
        text.extend(remarks.iter().map(|remark| format!("{remark}\n")));
        if let [train, test] = &counts[..] {
            let wide = names.iter().map(|n| n.chars().count()).max().unwrap_or(0).max(14);
            text += &format!("\n{:<wide$}{:>8}{:>8}\n", "class", "train", "test");
            for ((name, train), test) in names.iter().zip(train).zip(test) {
                text += &format!("{name:<wide$}{train:>8}{test:>8}\n");
            }
            let sum = |counts: &[usize]| counts.iter().sum::<usize>();
            text += &format!("{:<wide$}{:>8}{:>8}\n", "", sum(train), sum(test));
        }
        print(&text)?;
    }
    let Some(wrong) = wrong else {
        return Ok(());
    };
    let hint = if data::is_yours(name) {
        let known = checks.iter().find_map(|check| check.hint.clone());
        let unread = |c: &&FileCheck| !c.is_right() && c.hint.is_none() && !c.path.is_dir();
        match (checks.iter().filter(unread).count(), known) {
            (0, Some(hint)) => hint,
            (1, _) => "get the listed image again, or move it away".into(),
            (n, _) => format!("get {n} listed images again, or move them away"),
        }
    } else {
        format!("run `nf-gpu data fetch {name}`: it brings what is not right")
    };
    Err(Error::format(&wrong.path, wrong.describe(), hint))
}

fn file_json(check: &FileCheck) -> Value {
    let mut json = json!({
        "path": path(&check.path), "bytes": check.bytes,
        "ok": check.is_right(), "state": check.describe(),
    });
    if let Some(sum) = check.sum {
        json[sum.method().to_lowercase().replace('-', "")] = sum.digits().into();
    }
    json
}

/// Size and colours in which a data set is shown: its own, unless the flags say otherwise.
fn form(name: &str, split: Split, args: PreprocessArgs) -> Result<Preprocessing> {
    let own = data::shape(name, split)?;
    // A named data set has its size, and `--side` alone does not change it.
    let args = match data::is_named(name) && args.preprocess.is_none() {
        true => PreprocessArgs::default(),
        false => args,
    };
    match (own, args.side) {
        (None, _) => args.alone(32),
        (Some(own), None) => args.for_input(own),
        (Some([c, ..]), Some(side)) => {
            let [h, w] = side.hw();
            args.for_input([c, h, w])
        }
    }
}

fn show(
    name: &str,
    out: &Path,
    split: Split,
    (columns, args): (u32, PreprocessArgs),
    common: &Common,
) -> Result<()> {
    Places::default()
        .reads("NAME", data::places(name, &common.data_dir))
        .writes("--out", [out])
        .check()?;
    let form = form(name, split, args)?;
    let (some, counts) = data::preview(name, &common.data_dir, split, form, columns as usize)?;
    let class_names = &some.class_names;
    let remarks = data::remarks(name, split, form)?;
    let sheet = contact_sheet::draw_counted(&some, &counts, columns)?;
    files::atomic::write(out, sheet.png()?)?;
    let (width, height) = sheet.dimensions();
    let images: usize = counts.iter().sum();
    if common.json {
        return print_json(&json!({
            "version": 1, "dataset": name, "split": split, "images": images, "out": path(out),
            "width": width, "height": height,
            "class_names": class_names, "class_counts": counts, "remarks": remarks,
        }));
    }
    let mut text = format!("{name}, {split}: {images} images\n");
    text.extend(remarks.iter().map(|remark| format!("{remark}\n")));
    let wide = class_names.iter().map(|n| n.chars().count()).max().unwrap_or(0).max(14);
    for (class, count) in class_names.iter().zip(counts) {
        text += &format!("{class:<wide$}{count:>8}\n");
    }
    print(&format!("{text}contact sheet: {}\n", out.display()))
}
