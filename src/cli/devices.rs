//! `nf-gpu devices`.

use super::{gpu::GpuArgs, places::Places, terminal};
use crate::{
    error::Result,
    gpu::{self, AdapterReport},
    ranks::launched,
    report::{Table, csv::Csv, wrap::paragraph},
    tuning::CacheFolder,
    words,
};
use clap::Args;
use serde_json::json;
use std::path::PathBuf;

/// Arguments of `nf-gpu devices`.
#[derive(Args, Debug)]
pub struct DevicesArgs {
    #[command(flatten)]
    gpu: GpuArgs,
    /// Write the table to this file, with the fields of --json's adapters as columns
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Show which adapter each of N processes of this machine uses under mpirun (default: of those that were
    /// launched, or as many as there are adapters)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65536))]
    ranks: Option<Option<u32>>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// Lists the adapters with their relevant properties, and says which one would be used.
pub fn run(args: &DevicesArgs) -> Result<()> {
    Places::default().writes("--csv", &args.csv).check()?;
    if let Some(processes) = args.ranks {
        return ranks(args, processes);
    }
    let adapters = gpu::list();
    if let Some(path) = &args.csv {
        Csv::of_records(&json!(adapters)).save(path)?;
    }
    let chosen = gpu::would_use(&args.gpu.choice());
    if args.json {
        let used = chosen.as_ref().ok().map(|r| r.index);
        let tuning = chosen.as_ref().ok().and_then(|r| {
            let (store, _) = CacheFolder::of_user()?.store(&r.line());
            Some(json!({ "file": store.path().map(words::path), "entries": store.len() }))
        });
        terminal::print_json(&json!({ "adapters": adapters, "used": used, "tuning": tuning }))?;
        return chosen.map(drop);
    }
    if !adapters.is_empty() {
        let table = table(&adapters, chosen.as_ref().ok());
        terminal::print(&format!("{table:0$}", terminal::columns()))?;
    }
    let chosen = chosen?;
    let why = match (chosen.is_software(), args.gpu.adapter.is_some() || args.gpu.backend.is_some())
    {
        (_, true) => "it fits --adapter and --backend",
        (true, _) => "there is no hardware adapter; a software one is slow",
        (false, _) => "hardware comes before software, discrete before integrated",
    };
    let mut lines = vec![format!("used: {} {}: {why}", chosen.index, chosen.line())];
    lines.extend(slow_loads(&chosen).then(|| SLOW_LOADS.to_owned()));
    lines.extend(tuning(&chosen));
    let lines = lines.iter().map(|line| paragraph(line, terminal::columns(), 2) + "\n");
    terminal::print(&format!("\n{}", lines.collect::<String>()))
}

/// Shows the adapters of several processes of this machine. Under a launcher the first of each machine speaks.
fn ranks(args: &DevicesArgs, processes: Option<u32>) -> Result<()> {
    let launch = launched();
    if launch.is_some_and(|launch| launch.local.0 > 0) {
        return Ok(());
    }
    let here = launch.and_then(|launch| launch.local.1.or(Some(launch.size)));
    let processes = match (processes, here) {
        (Some(asked), _) => asked as usize,
        (None, Some(here)) => here,
        (None, None) => gpu::list().len().max(1),
    };
    let assigned = gpu::assigned(&args.gpu.choice(), processes)?;
    if args.json {
        let indices: Vec<usize> = assigned.iter().map(|adapter| adapter.index).collect();
        return terminal::print_json(&json!({ "ranks": indices }));
    }
    let mut table = Table::new(["local rank", "", "adapter", "PCI bus"]).with_words(&[2, 3]);
    for (rank, adapter) in assigned.iter().enumerate() {
        let (index, bus) = (adapter.index.to_string(), adapter.pci_bus_id.clone());
        table.row([rank.to_string(), index, adapter.line(), bus]);
    }
    terminal::print(&format!("{table:0$}", terminal::columns()))?;
    let share = assigned.first().filter(|first| first.is_software() && processes > 1);
    share.map_or(Ok(()), |_| terminal::print(SHARED))
}

/// What happens where several processes compute on one processor.
const SHARED: &str = "\nthe processes share the cores of this software adapter: each gets its part of them \
                      (LP_NUM_THREADS says otherwise)\n";

/// Time of a step of `bench --steps 'eopm/ConvS/*'`: 3.66 s on Mesa 22.3.6, 1.10 s on 26.1.6.
const SLOW_LOADS: &str = "hint: without AVX-512 this Mesa reads memory slowly; that of \
                          scripts/newer-llvmpipe.sh takes a third of the time";

/// Whether this llvmpipe assembles loaded vectors by way of the stack, where the stores of single values
/// cannot be forwarded to the following load of the vector. Mesa 22.3 does so, unless AVX-512 allows it to
/// insert values into registers.
fn slow_loads(adapter: &AdapterReport) -> bool {
    let avx2 = adapter.cpu.as_ref().is_some_and(|cpu| cpu.ends_with(", AVX2"));
    avx2 && adapter.name.starts_with("llvmpipe") && adapter.driver.contains("Mesa 22.")
}

/// Lines about the file with the measurements of an adapter, and how many it has.
fn tuning(adapter: &AdapterReport) -> Vec<String> {
    let Some(place) = CacheFolder::of_user() else {
        return vec!["measured kernels: not kept, there is no cache folder".into()];
    };
    let (store, problem) = place.store(&adapter.line());
    let line = format!(
        "measured kernels: {} shapes in {} (delete it to measure anew)",
        store.len(),
        place.tuning(&adapter.line()).display()
    );
    std::iter::once(line).chain(problem.map(|problem| format!("  {problem}"))).collect()
}

fn table(adapters: &[AdapterReport], chosen: Option<&AdapterReport>) -> Table {
    let mut table = Table::new([
        "",
        "",
        "adapter",
        "backend",
        "kind",
        "driver",
        "f16",
        "subgroup",
        "coop. matrix",
        "timestamps",
        "binding MiB",
    ])
    .with_words(&[0, 1, 2, 3, 4, 5])
    .named_by(2);
    let yes = |on: bool| if on { "yes" } else { "-" }.to_owned();
    for a in adapters {
        let mark = if chosen.is_some_and(|c| c.index == a.index) { "*" } else { "" };
        let subgroup = match a.subgroup {
            None => "-".to_owned(),
            Some([least, most]) if least == most => least.to_string(),
            Some([least, most]) => format!("{least}-{most}"),
        };
        let sizes: Vec<String> = a.cooperative_matrix.iter().map(u32::to_string).collect();
        let matrices = if sizes.is_empty() { "-".to_owned() } else { sizes.join(", ") };
        table.row([
            mark.to_owned(),
            a.index.to_string(),
            a.name.clone(),
            a.backend.clone(),
            a.kind.to_owned(),
            a.driver.clone(),
            yes(a.f16),
            subgroup,
            matrices,
            yes(a.timestamps),
            (a.max_binding_bytes >> 20).to_string(),
        ]);
    }
    table
}
