//! How other tools run the shards of a sweep, for `--help`. A shard is a process like any other, so a line
//! is enough; `tests/sweep.rs` runs the one of GNU parallel, the others have not been run.

/// Help on other machines. Commands are short enough for a terminal of 80 columns, so that they can be copied.
pub const HELP: &str = "\
On more than one machine: each shard is a process of its own, and a folder that all of them see holds the sweep (or \
give merge all folders, collected afterwards). Start lost shards again; done runs stay done.

Slurm:
  tokentide sweep SCENARIO … --out DIR --engine slurm

GNU parallel:
  parallel tokentide sweep SCENARIO … --threads 1 --out DIR \\
    --shard {}/8 ::: 1 2 3 4 5 6 7 8

When all are done:
  tokentide sweep merge DIR

Not tested by us. Kubernetes: an Indexed Job (completionMode: Indexed, completions: 8) whose command is
  sh -c 'tokentide sweep SCENARIO … --out /shared/DIR \\
    --shard $((JOB_COMPLETION_INDEX + 1))/8'

HyperQueue:
  hq submit --wait --array 1-8 --cpus 4 sh -c \\
    'tokentide sweep SCENARIO … --threads 4 --out DIR --shard $HQ_TASK_ID/8'

Ray:
  import ray, subprocess
  sweep = [\"tokentide\", \"sweep\", \"SCENARIO\", …, \"--threads\", \"4\"]
  run = lambda i: subprocess.check_call(
      sweep + [\"--out\", \"DIR\", \"--shard\", f\"{i}/8\"])
  shard = ray.remote(num_cpus=4)(run)
  ray.get([shard.remote(i) for i in range(1, 9)])";
