//! The program with the feature `mpi`, and jobs of it.
use super::super::{Ended, PATIENCE, Place, until};
use crate::extent::skipped;
use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

/// The name of a program of MPI. `NF_MPI=.mpich` takes Debian's MPICH instead of what `mpirun` is; set and empty it has
/// the tests run in CI too.
fn of_mpi(program: &str) -> String {
    program.to_owned() + &std::env::var("NF_MPI").unwrap_or_default()
}

/// The program with the feature, built once; `None`, which is said, where that is not possible.
pub(super) fn binary() -> Option<&'static Path> {
    static BUILT: OnceLock<Option<PathBuf>> = OnceLock::new();
    let build = || {
        // Not seen to end in time there: they build the program once more, and wait for processes to die.
        if std::env::var_os("CI").is_some() && std::env::var_os("NF_MPI").is_none() {
            skipped("jobs of several processes are not part of CI: `NF_MPI= ./test.sh --all`");
            return None;
        }
        let has = |program: &str| {
            let mut command = Command::new(program);
            command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
            command.status().is_ok_and(|status| status.success())
        };
        if !has(&of_mpi("mpirun")) || !has(&of_mpi("mpicc")) {
            skipped("no mpirun, or no mpicc (Debian: openmpi-bin libopenmpi-dev libclang-dev)");
            return None;
        }
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        // Another folder than that of the tests' own build, whose program other tests run.
        let own = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("release");
        let target = own.with_file_name(of_mpi("mpi"));
        if !target.exists() && give_compiled(&own, &target.join("release")).is_err() {
            // Whatever was copied before it failed.
            let _ = fs::remove_dir_all(&target);
        }
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--release", "--quiet", "--features", "mpi", "--bin", "nf-gpu"]);
        // The host's part of so small runs is small: time to compile counts.
        cargo.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0").env("CARGO_INCREMENTAL", "1");
        cargo.env("MPICC", of_mpi("mpicc"));
        let built = cargo.arg("--target-dir").arg(&target).current_dir(root).output().unwrap();
        let said = String::from_utf8_lossy(&built.stderr).into_owned();
        if !built.status.success() && said.contains("libclang") {
            skipped("the feature `mpi` needs libclang to build (Debian: libclang-dev)");
            return None;
        }
        assert!(built.status.success(), "{said}");
        Some(target.join("release/nf-gpu"))
    };
    let built = BUILT.get_or_init(build).as_deref();
    if built.is_none() {
        skipped("the program has not been built with MPI");
    }
    built
}

/// Gives a folder of builds what another has compiled of dependencies, so that only what differs is compiled. Libraries
/// are linked, since cargo never changes one in place; where that is not possible all is compiled.
fn give_compiled(from: &Path, to: &Path) -> io::Result<()> {
    for folder in [".fingerprint", "build"] {
        let mut copy = Command::new("cp");
        fs::create_dir_all(to)?;
        if !copy.arg("-a").arg(from.join(folder)).arg(to).status()?.success() {
            return Err(io::Error::other("it is not copied"));
        }
    }
    // What was compiled with MPI may be of another one.
    for folder in [".fingerprint", "build"] {
        for entry in fs::read_dir(to.join(folder))? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with("mpi") {
                fs::remove_dir_all(entry.path())?;
            }
        }
    }
    fs::create_dir_all(to.join("deps"))?;
    for file in fs::read_dir(from.join("deps"))? {
        let (file, name) = file.map(|file| (file.path(), file.file_name()))?;
        let is_ours = ["nf_gpu", "libnf_gpu", "kernels", "mpi", "libmpi"];
        if !is_ours.iter().any(|own| name.to_string_lossy().starts_with(own)) {
            fs::hard_link(&file, to.join("deps").join(name))?;
        }
    }
    Ok(())
}

/// `mpirun` of a place, for these ranks: each list of a number and a line is a part of the job.
pub(super) fn mpirun(place: &Place, parts: &[(usize, &Path, &str)]) -> Command {
    let mut command = Command::new(of_mpi("mpirun"));
    let own = place.nf("");
    command.envs(own.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.current_dir(place.path("")).stdin(Stdio::null());
    let version = Command::new(of_mpi("mpirun")).arg("--version").output().unwrap().stdout;
    if String::from_utf8_lossy(&version).contains("Open MPI") {
        for allowed in ["OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] {
            command.env(allowed, "1");
        }
        command.args(["--map-by", ":OVERSUBSCRIBE"]);
    }
    for (i, (ranks, program, line)) in parts.iter().enumerate() {
        if i > 0 {
            command.arg(":");
        }
        command.args(["-n", &ranks.to_string()]).arg(program).args(line.split_whitespace());
    }
    command
}

pub(super) fn run(place: &Place, program: &Path, ranks: usize, line: &str) -> Ended {
    Ended::of(&mut mpirun(place, &[(ranks, program, line)]))
}

/// Starts a job of three ranks, and waits until a file of it has something in it.
pub(super) fn begun(place: &Place, program: &Path, line: &str, file: &str) -> Child {
    let mut command = mpirun(place, &[(3, program, line)]);
    // Time of OpenMPI between a request to end and SIGTERM, and from there to SIGKILL: a second, which is usual, is too
    // short for a step on a busy software adapter.
    command.env("OMPI_MCA_odls_base_sigkill_timeout", "5");
    let mut job = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let file = place.path(file);
    until("the job does not begin", &mut job, |_| fs::metadata(&file).is_ok_and(|f| f.len() > 0));
    job
}

/// The process of a rank that works in a place.
pub(super) fn process(place: &Place, rank: usize) -> u32 {
    let here = fs::canonicalize(place.path("")).unwrap();
    let is_it = |id: &u32| {
        let text = fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
        let names = ["OMPI_COMM_WORLD_RANK", "PMI_RANK"].map(|name| format!("{name}={rank}"));
        let set = text.split(|&b| b == 0).any(|v| names.iter().any(|name| v == name.as_bytes()));
        let name = fs::read_to_string(format!("/proc/{id}/comm")).unwrap_or_default();
        let cwd = fs::read_link(format!("/proc/{id}/cwd")).unwrap_or_default();
        set && name.trim() == "nf-gpu" && cwd == here
    };
    let all = fs::read_dir("/proc").unwrap();
    let mut ids = all.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    ids.find(is_it).unwrap_or_else(|| panic!("no process of rank {rank}"))
}

pub(super) fn kill(signal: &str, process: u32) {
    assert!(Command::new("kill").args([signal, &process.to_string()]).status().unwrap().success());
}

/// Waits until a process that was killed has no threads left. On a busy machine the last one, of Mesa's least priority,
/// frees its memory late, and only then the locks of its files are free.
pub(super) fn wait_for_end(process: u32) {
    let began = Instant::now();
    while fs::read_dir(format!("/proc/{process}/task")).is_ok_and(|tasks| tasks.count() > 1) {
        assert!(began.elapsed() < PATIENCE, "process {process} does not end");
        thread::sleep(Duration::from_millis(20));
    }
}
