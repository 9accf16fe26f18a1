//! What a launcher of parallel jobs tells its processes in environment variables.

use std::env;

/// A launched process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Launch {
    /// The launcher, as a user knows it.
    pub by: &'static str,
    /// Number of processes of the job.
    pub size: usize,
    /// This process, counted from 0.
    pub rank: usize,
    /// This process among those of its machine, counted from 0, and their number where it is known.
    pub local: (usize, Option<usize>),
}

/// Variables of a launcher: number of processes, rank, rank on its machine, processes on its machine.
struct Variables {
    by: &'static str,
    size: &'static str,
    rank: &'static str,
    local_rank: &'static str,
    local_size: &'static str,
}

/// The launchers, those first that name their processes most surely.
const LAUNCHERS: [Variables; 3] = [
    Variables {
        by: "mpirun",
        size: "OMPI_COMM_WORLD_SIZE",
        rank: "OMPI_COMM_WORLD_RANK",
        local_rank: "OMPI_COMM_WORLD_LOCAL_RANK",
        local_size: "OMPI_COMM_WORLD_LOCAL_SIZE",
    },
    Variables {
        by: "mpiexec",
        size: "PMI_SIZE",
        rank: "PMI_RANK",
        local_rank: "MPI_LOCALRANKID",
        local_size: "MPI_LOCALNRANKS",
    },
    // `srun --mpi=pmix`. The variables of Slurm alone do not tell: a batch script has them too, and `srun` also starts
    // processes that have nothing to do with each other.
    Variables {
        by: "srun",
        size: "SLURM_STEP_NUM_TASKS",
        rank: "PMIX_RANK",
        local_rank: "SLURM_LOCALID",
        local_size: "SLURM_STEP_TASKS_PER_NODE",
    },
];

/// How this process was launched; `None` for one that stands alone.
pub fn launched() -> Option<Launch> {
    of(&|name| env::var(name).ok())
}

/// The same for the variables that `get` knows.
fn of(get: &dyn Fn(&str) -> Option<String>) -> Option<Launch> {
    let number = |name: &str| get(name)?.trim().parse::<usize>().ok();
    LAUNCHERS.iter().find_map(|known| {
        let (size, rank) = (number(known.size)?, number(known.rank)?);
        let local_rank = number(known.local_rank).or_else(|| number("SLURM_LOCALID"));
        let local = (local_rank.unwrap_or(rank), number(known.local_size));
        Some(Launch { by: known.by, size, rank, local })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn launchers_are_known_by_their_variables() {
        let launch_of = |text: &str| {
            let set: Vec<(&str, &str)> =
                text.split_whitespace().filter_map(|pair| pair.split_once('=')).collect();
            of(&|name| {
                set.iter().find(|(own, _)| *own == name).map(|(_, value)| (*value).to_owned())
            })
        };
        let open = "OMPI_COMM_WORLD_SIZE=3 OMPI_COMM_WORLD_RANK=2 OMPI_COMM_WORLD_LOCAL_RANK=1 \
                    OMPI_COMM_WORLD_LOCAL_SIZE=2";
        let launch = Launch { by: "mpirun", size: 3, rank: 2, local: (1, Some(2)) };
        assert_eq!(launch_of(open), Some(launch));
        let hydra = "PMI_SIZE=2 PMI_RANK=1 MPI_LOCALRANKID=0 MPI_LOCALNRANKS=1";
        let launch = Launch { by: "mpiexec", size: 2, rank: 1, local: (0, Some(1)) };
        assert_eq!(launch_of(hydra), Some(launch));
        let pmix =
            "SLURM_NTASKS=4 SLURM_STEP_NUM_TASKS=4 SLURM_PROCID=3 PMIX_RANK=3 SLURM_LOCALID=1";
        let launch = Launch { by: "srun", size: 4, rank: 3, local: (1, None) };
        assert_eq!(launch_of(pmix), Some(launch));
        // A batch script for four tasks is one process, and those of a plain `srun` know nothing of each other.
        for alone in [
            "",
            "SLURM_NTASKS=4 SLURM_JOB_ID=7",
            "SLURM_NTASKS=4 SLURM_PROCID=1 SLURM_STEP_NUM_TASKS=4",
        ] {
            assert_eq!(launch_of(alone), None, "{alone}");
        }
        assert_eq!(launch_of("PMI_SIZE=1 PMI_RANK=0").map(|launch| launch.size), Some(1));
    }
}
