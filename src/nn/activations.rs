//! Quantised activations of a frozen network in a memory that can fail.

use super::{
    compiler::FaultyActivations,
    graph::{ActivationBuffer, Graph, Op},
};
use crate::{
    error::{Error, Result},
    fault::{Faults, Flips},
    gpu::Buffer,
    kernels::{
        elementwise::pointwise::Pointwise,
        quantise::fault_activations::{COUNTS, WHOLE_BATCH, control, control_bytes},
    },
    run::{Gpu, Tape},
};

impl Graph {
    /// The quantised activations that can fail, in the order of the file: those behind a layer with weights.
    pub fn failing(&self) -> impl Iterator<Item = &ActivationBuffer> {
        let behind = if self.activations_fail { self.behind_layers() } else { Vec::new() };
        let failing =
            move |of: &&ActivationBuffer| behind.get(of.node).is_some_and(|&behind| behind);
        self.activations.iter().filter(failing)
    }

    /// For each node, whether a layer with weights is in front of it.
    fn behind_layers(&self) -> Vec<bool> {
        let mut behind: Vec<bool> = Vec::new();
        for node in &self.nodes {
            let layer = matches!(node.op, Op::Conv { .. } | Op::Linear { .. });
            behind.push(layer || node.inputs.iter().any(|&x| behind[x]));
        }
        behind
    }

    /// Bits of a quantised activation of one image.
    #[must_use]
    pub fn activation_bits(&self, of: &ActivationBuffer) -> u64 {
        let values: u64 = self.nodes[of.node].chw.iter().map(|&n| u64::from(n)).product();
        values * u64::from(self.word_bits_of(of))
    }

    /// Bits of a word of a quantised activation.
    fn word_bits_of(&self, of: &ActivationBuffer) -> u32 {
        match self.nodes[of.node].op {
            Op::Pointwise(Pointwise::FakeQuantise { least, most, .. }) => {
                ((most - least) as u32 + 1).ilog2()
            }
            _ => 0,
        }
    }

    /// Refuses a network without quantised activations that can fail, and words of more than a byte.
    pub fn check_activations(&self) -> Result<()> {
        if self.failing().next().is_none() {
            let what = format!("{} quantises no activation behind a layer", self.name);
            let hint = "give a network that is quantised as a whole, as ONNX (docs/onnx.md), or leave activations out";
            return Err(Error::argument("--faults-in", what, hint));
        }
        match self.failing().find(|of| self.word_bits_of(of) > 8) {
            None => Ok(()),
            Some(of) => {
                let what = format!("the words of {} have {} bits", of.name, self.word_bits_of(of));
                let hint = "activations of up to 8 bits can fail: leave activations out";
                Err(Error::argument("--faults-in", what, hint))
            }
        }
    }
}

/// What is between an injector, which knows of faults, and the programs whose activations have them.
#[derive(Debug)]
pub(super) struct ActivationMemory {
    pub(super) faults: Buffer,
    flips: Buffer,
    copies: u32,
    layers: u32,
}

impl ActivationMemory {
    /// The memory of a network's copies; `None` where none of its activations can fail.
    pub(super) fn of(gpu: &Gpu, graph: &Graph, copies: u32) -> Result<Option<Self>> {
        let layers = graph.failing().count() as u32;
        if layers == 0 {
            return Ok(None);
        }
        let counts = 4 * u64::from(COUNTS * copies * layers);
        Ok(Some(Self {
            faults: Buffer::new(gpu, "faults of activations", control_bytes(layers, copies))?,
            flips: Buffer::new(gpu, "flips of activations", counts)?,
            copies,
            layers,
        }))
    }

    /// The buffers on a tape.
    pub(super) fn on(&self, tape: &mut Tape) -> FaultyActivations {
        FaultyActivations {
            faults: tape.import("faults of activations", &self.faults),
            flips: tape.import("flips of activations", &self.flips),
            first: 0,
        }
    }

    /// Tells programs of faults in the `chosen` buffers of all copies but the first `clean` ones; without faults of
    /// none.
    pub(super) fn injector(
        &self,
        faults: Option<Faults>,
        chosen: Vec<bool>,
        clean: u32,
    ) -> ActivationInjector {
        let (copies, layers) = (self.copies, self.layers);
        let clean = if faults.is_some() { clean } else { copies };
        let mut marks = chosen;
        marks.resize(layers as usize, false);
        let (buffer, flips) = (self.faults.clone(), self.flips.clone());
        let faults = faults.unwrap_or_default();
        ActivationInjector { faults, chosen: marks, clean, buffer, flips, copies, layers }
    }
}

/// Tells programs which activations fail.
#[derive(Debug)]
pub(super) struct ActivationInjector {
    faults: Faults,
    chosen: Vec<bool>,
    clean: u32,
    buffer: Buffer,
    flips: Buffer,
    copies: u32,
    layers: u32,
}

impl ActivationInjector {
    /// Begins with new maps, of one seed per copy; no bit is flipped yet.
    pub(super) fn begin(&self, gpu: &Gpu, seeds: &[u64]) {
        let how = (self.clean, self.faults.memories().fixed);
        let words = control(&self.faults, &self.chosen, seeds, how, WHOLE_BATCH);
        self.buffer.write(gpu, 0, &words);
        self.flips.write(gpu, 0, &vec![0u32; (COUNTS * self.copies * self.layers) as usize]);
    }

    /// Bits flipped since then, per copy and buffer. Waits for the device.
    pub(super) fn flips(&self, gpu: &Gpu) -> Result<Vec<Vec<Flips>>> {
        let words: Vec<u32> = self.flips.read(gpu)?;
        let each: Vec<Flips> = words.chunks_exact(COUNTS as usize).map(Flips::from).collect();
        let copies = each.chunks(self.layers as usize).map(<[Flips]>::to_vec);
        Ok(copies.take(self.copies as usize).collect())
    }
}
