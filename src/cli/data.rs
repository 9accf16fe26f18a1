//! `nf-gpu data`: list, fetch, check and show data sets.
#![expect(clippy::print_stderr, reason = "progress and messages go to the terminal")]

use std::{
    io::{self, IsTerminal},
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};

use super::{
    interrupt,
    output::{print, print_json},
};
use crate::{
    data::{self, DatasetInfo, FetchEvent, FileCheck, Split, contact_sheet},
    error::{Error, Result},
    files,
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
    List(Common),
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
    /// Verify the files of a data set by their checksums and count its classes
    #[command(after_help = "Example: nf-gpu data check cifar10")]
    Check {
        /// Name of the data set
        name: String,
        #[command(flatten)]
        common: Common,
    },
    /// Draw a contact sheet: a row for each class
    #[command(after_help = "Example: nf-gpu data show cifar10 --out sheet.png")]
    Show {
        /// Name of the data set
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
///
/// Those of [`data::open`], [`data::fetch`] and [`data::check`]; [`Error::Format`] when a checked
/// file is wrong; [`Error::Write`] for the contact sheet.
pub fn run(args: &DataArgs) -> Result<()> {
    match &args.command {
        DataCommand::List(common) => list(common),
        DataCommand::Fetch { name, quiet, common } => fetch(name, *quiet, common),
        DataCommand::Check { name, common } => check(name, common),
        DataCommand::Show { name, out, split, columns, common } => {
            show(name, out, *split, *columns, common)
        }
    }
}

fn list(common: &Common) -> Result<()> {
    let mut listed = Vec::new();
    let mut text = String::new();
    for info in data::known() {
        let here = data::is_here(info.name, &common.data_dir)?;
        let mut entry = json!(info);
        entry["available"] = here.into();
        listed.push(entry);
        text += &describe(info, here);
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
        "{} + {} images, {} classes, {:.1} MB, {state}",
        info.train_images,
        info.test_images,
        info.classes,
        info.bytes as f64 / 1e6
    );
    format!(
        "{:<16}{}\n{:16}{size}\n{:16}licence: {}\n{:16}{}\n",
        info.name, info.title, "", "", info.licence, "", info.source
    )
}

fn fetch(name: &str, quiet: bool, common: &Common) -> Result<()> {
    let info = data::info(name)?;
    interrupt::watch();
    let console = Console::new(quiet);
    let mut files = Vec::new();
    let mut source = Value::Null;
    let fetched = data::fetch(name, &common.data_dir, &mut |event| {
        match &event {
            FetchEvent::Trying { source: s } => source = json!(s),
            FetchEvent::Kept { file } => files.push(json!({ "file": file, "state": "kept" })),
            FetchEvent::Wrote { file } => files.push(json!({ "file": file, "state": "written" })),
            FetchEvent::Failed { .. } | FetchEvent::Downloading { .. } => {}
        }
        console.show(&event);
        !interrupt::pressed()
    });
    console.bar.finish_and_clear();
    fetched?;
    if common.json {
        return print_json(&json!({
            "version": 1, "dataset": name, "dir": common.data_dir, "embedded": info.embedded,
            "source": source, "files": files,
        }));
    }
    let dir = common.data_dir.display();
    print(&match (info.embedded, source.as_str()) {
        (true, _) => format!("{name} is embedded: there is nothing to fetch\n"),
        (false, None) => format!("{name} was in {dir} already, verified\n"),
        (false, Some(source)) => format!("{name} is in {dir}, from {source}, verified\n"),
    })
}

/// Shows a fetch: a bar on a terminal, lines elsewhere, nothing when quiet.
struct Console {
    bar: ProgressBar,
    quiet: bool,
}

impl Console {
    fn new(quiet: bool) -> Self {
        Self { bar: ProgressBar::hidden(), quiet }
    }

    fn show(&self, event: &FetchEvent<'_>) {
        match event {
            FetchEvent::Trying { source } => {
                self.bar.reset();
                self.say(&format!("trying {source}"));
            }
            FetchEvent::Failed { source, reason } => {
                self.say(&format!("{source} does not work: {reason}"));
            }
            FetchEvent::Downloading { done, total } => self.advance(*done, *total),
            FetchEvent::Wrote { file } => self.say(&format!("wrote {file}")),
            FetchEvent::Kept { .. } => {}
        }
    }

    fn say(&self, line: &str) {
        if !self.quiet {
            self.bar.suspend(|| eprintln!("{line}"));
        }
    }

    /// Draws the bar, from the first byte on. No colours: `NO_COLOR` has nothing to turn off.
    fn advance(&self, done: u64, total: Option<u64>) {
        if self.quiet || !io::stderr().is_terminal() {
            return;
        }
        if self.bar.is_hidden() || self.bar.length() != total {
            let template = match total {
                Some(_) => {
                    "{bar:32} {decimal_bytes} of {decimal_total_bytes}, {decimal_bytes_per_sec}"
                }
                None => "{spinner} {decimal_bytes}, {decimal_bytes_per_sec}",
            };
            if let Ok(style) = ProgressStyle::with_template(template) {
                self.bar.set_style(style);
            }
            match total {
                Some(total) => self.bar.set_length(total),
                None => self.bar.unset_length(),
            }
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.bar.set_position(done);
    }
}

fn check(name: &str, common: &Common) -> Result<()> {
    let info = data::info(name)?;
    let checks = data::check(name, &common.data_dir)?;
    let wrong = checks.iter().find(|c| !c.is_right());
    let mut counts = Vec::new();
    if wrong.is_none() {
        for split in [Split::Train, Split::Test] {
            counts.push(data::open(name, &common.data_dir, split)?.class_counts());
        }
    }
    if common.json {
        print_json(&json!({
            "version": 1, "dataset": name, "ok": wrong.is_none(),
            "files": checks.iter().map(file_json).collect::<Vec<_>>(),
            "class_names": info.class_names,
            "train": counts.first(), "test": counts.get(1),
        }))?;
    } else {
        let lines = checks.iter().map(|c| format!("{}: {}\n", c.path.display(), c.describe()));
        let mut text: String = lines.collect();
        if let [train, test] = &counts[..] {
            text += &format!("\n{:<14}{:>8}{:>8}\n", "class", "train", "test");
            for ((name, train), test) in info.class_names.iter().zip(train).zip(test) {
                text += &format!("{name:<14}{train:>8}{test:>8}\n");
            }
        }
        print(&text)?;
    }
    match wrong {
        None => Ok(()),
        Some(c) => {
            let hint = format!("run `nf-gpu data fetch {name}`: it brings what is not right");
            Err(Error::format(&c.path, c.describe(), hint))
        }
    }
}

fn file_json(check: &FileCheck) -> Value {
    let mut json = json!({
        "path": check.path, "bytes": check.bytes,
        "ok": check.is_right(), "state": check.describe(),
    });
    if let Some(sum) = check.sum {
        json[sum.method().to_lowercase().replace('-', "")] = sum.digits().into();
    }
    json
}

fn show(name: &str, out: &Path, split: Split, columns: u32, common: &Common) -> Result<()> {
    let set = data::open(name, &common.data_dir, split)?;
    let sheet = contact_sheet::draw(&set, columns)?;
    let mut png = Vec::new();
    PngEncoder::new(&mut png)
        .write_image(&sheet, sheet.width(), sheet.height(), ExtendedColorType::Rgb8)
        .map_err(|e| Error::Shape(format!("cannot draw the contact sheet: {e}")))?;
    files::atomic::write(out, &png)?;
    if common.json {
        return print_json(&json!({
            "version": 1, "dataset": name, "split": split, "images": set.len(), "out": out,
            "width": sheet.width(), "height": sheet.height(),
            "class_names": set.class_names, "class_counts": set.class_counts(),
        }));
    }
    let mut text = format!("{name}, {split}: {} images\n", set.len());
    for (class, count) in set.class_names.iter().zip(set.class_counts()) {
        text += &format!("{class:<14}{count:>8}\n");
    }
    print(&format!("{text}contact sheet: {}\n", out.display()))
}
