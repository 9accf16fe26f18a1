//! `nf-gpu demo`: a whole run with nothing but the program: an embedded network on embedded images.

use super::{Command, gpu::TunedArgs, job, parsed, terminal, train};
use crate::{
    error::{Error, Result, usage},
    files::atomic,
    train::RunFolder,
};
use clap::Args;
use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

/// The network, trained on the embedded data set.
const BASE: &[u8] = include_bytes!("../../models/vgg-small-fashion.safetensors");
const BASE_NAME: &str = "vgg-small-fashion.safetensors";
/// One chip at 0.83 of its lowest voltage without faults, and a training of about a minute on two cores: rates and
/// lengths that were tried.
const TRAINING: &str = "--faults reference --ber 0.01 --chip 1 --steps 60 --batch-size 32 --lr 0.01 --schedule cosine \
                        --eval-every 1000 --images 500";
/// What the table means, and where the method pays.
const NOTE: &str = "This network is so small that most generators cost more energy than the low voltage saves. One \
                    learned image costs none: nf-gpu demo --generator UIP. In front of the networks of the paper \
                    generators pay: nf-gpu energy --table.";

/// Arguments of `nf-gpu demo`.
#[derive(Args, Debug)]
pub struct DemoArgs {
    /// Folder for the network and the run
    #[arg(long, value_name = "DIR", default_value = "runs/demo")]
    out: PathBuf,
    /// Name of the generator
    #[arg(
        long,
        value_name = "NAME",
        default_value = "UNetS",
        help = "Generator: ConvL, ConvS, DeConvL, DeConvS, UNetL, UNetS, UIP"
    )]
    generator: String,
    #[command(flatten)]
    gpu: TunedArgs,
    /// Write the final evaluation to this file: a row for each fault map, as `eval --csv` does
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Print the final evaluation as one JSON document
    #[arg(long)]
    json: bool,
    /// No progress and no messages
    #[arg(long)]
    quiet: bool,
}

/// Writes the network, trains a generator in front of it for one faulty chip, and prints accuracy beside energy. A demo
/// that was interrupted goes on; one that is complete is evaluated again.
pub fn run(args: &DemoArgs) -> Result<()> {
    job::alone("demo")?;
    let folder = args.out.join(crate::models::known(&args.generator)?);
    let base = args.out.join(BASE_NAME);
    write_base(&base)?;
    let line = args.line(&base, &folder);
    let (cli, matches) = parsed(line).map_err(|told| usage(&told, "see `nf-gpu demo --help`"))?;
    let typed = matches.subcommand_matches("train");
    if let (Command::Train(flags), Some(typed)) = (cli.command, typed) {
        train::run(&flags, typed)?;
    }
    if !args.quiet && !args.json {
        terminal::say(&crate::report::wrap::paragraph(NOTE, terminal::columns(), 2));
    }
    Ok(())
}

/// Writes the network, unless it is there.
fn write_base(path: &Path) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|e| Error::write(folder, e))?;
    }
    match fs::read(path) {
        Ok(there) if there == BASE => Ok(()),
        Ok(_) => {
            let what = format!("{} is another network", path.display());
            Err(Error::argument("--out", what, "give the demo a folder of its own"))
        }
        Err(_) => atomic::write(path, BASE),
    }
}

impl DemoArgs {
    /// The command that trains.
    fn line(&self, base: &Path, folder: &Path) -> Vec<OsString> {
        let mut line: Vec<OsString> = vec!["nf-gpu".into(), "train".into()];
        // A run that was killed before its first checkpoint goes on from the beginning.
        if RunFolder::at(folder).config().exists() {
            line.extend(["--resume".into(), folder.into()]);
        } else {
            let files = ["--base".into(), base.into(), "--out".into(), folder.into()];
            line.extend(files);
            line.extend(["--generator".into(), (&*self.generator).into()]);
            line.extend(TRAINING.split(' ').map(Into::into));
        }
        line.extend(self.gpu.line());
        if let Some(csv) = &self.csv {
            line.extend(["--csv".into(), csv.into()]);
        }
        line.extend(self.json.then(|| "--json".into()));
        line.extend(self.quiet.then(|| "--quiet".into()));
        line
    }
}
