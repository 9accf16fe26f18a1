//! burn's convolutions on its wgpu backend, without epilogue of operations and without autodiff around them.

use crate::{
    Outcome,
    convolution::{Convolution, Pass, Values},
    report::Adapter,
};
use burn_backend::{
    Backend, TensorData,
    ops::{ConvOptions, FloatTensorOps, ModuleOps},
    read_sync,
};
use burn_wgpu::{
    CubeBackend, CubeTensor, RuntimeOptions, WgpuBackend, WgpuDevice, graphics, try_init_setup,
};
use cubecl::{
    Device,
    config::{CubeClRuntimeConfig, RuntimeConfig},
    wgpu::WgpuDeviceKind,
};
use serde_json::{Value, json};
use std::{
    env, fs,
    path::PathBuf,
    process,
    time::{Duration, Instant},
};

/// burn on one adapter.
pub struct Burn {
    device: Device,
    adapter: Value,
    /// The file into which autotune writes what it chose.
    decisions: PathBuf,
}

/// The tensors of one convolution.
pub struct Operands {
    pub conv: Convolution,
    pub values: Values,
    x: CubeTensor,
    w: CubeTensor,
    dy: CubeTensor,
}

impl Burn {
    /// Opens the adapter that was measured.
    pub fn open(ours: &Adapter) -> Outcome<Self> {
        let decisions = env::temp_dir().join(format!("nf-gpu-peers-{}.jsonl", process::id()));
        let mut config = CubeClRuntimeConfig::default();
        config.autotune.decisions.file = Some(decisions.clone());
        CubeClRuntimeConfig::set(config);

        let kind = match ours.kind.as_str() {
            "software" => WgpuDeviceKind::Cpu,
            "discrete" => WgpuDeviceKind::DiscreteGpu(0),
            "integrated" => WgpuDeviceKind::IntegratedGpu(0),
            "virtual" => WgpuDeviceKind::VirtualGpu(0),
            _ => WgpuDeviceKind::DefaultDevice,
        };
        let backend = match ours.backend.as_str() {
            "vulkan" => WgpuBackend::Vulkan,
            "metal" => WgpuBackend::Metal,
            "dx12" => WgpuBackend::Dx12,
            "gl" => WgpuBackend::Gl,
            _ => WgpuBackend::Auto,
        };
        let device = WgpuDevice::from(kind).on(backend);
        let setup =
            try_init_setup::<graphics::AutoGraphicsApi>(&device, RuntimeOptions::default())?;
        let info = setup.adapter.get_info();
        if info.name != ours.name {
            let (burns, ours) = (info.name, &ours.name);
            return Err(format!(
                "burn opens {burns}, our report is of {ours}\n  hint: measure ours on the former"
            )
            .into());
        }
        let adapter = json!({
            "name": info.name,
            "backend": ours.backend,
            "driver": format!("{} {}", info.driver, info.driver_info).trim(),
            "kind": ours.kind,
        });
        Ok(Self { device: Device::Wgpu(device), adapter, decisions })
    }

    /// The adapter, as a report has it.
    pub fn adapter(&self) -> &Value {
        &self.adapter
    }

    /// Releases of burn and its compiler, and the language into which that compiled.
    pub fn version(&self) -> String {
        let lock = include_str!("../Cargo.lock");
        let version = |package: &str| {
            let entry =
                lock.split("[[package]]").find(|e| e.contains(&format!("name = \"{package}\"\n")));
            let version = entry.and_then(|e| e.split("version = \"").nth(1)?.split('"').next());
            version.unwrap_or_default()
        };
        let (burn, cubek, language) =
            (version("burn-wgpu"), version("cubek"), CubeBackend::name(&self.device));
        format!("burn {burn}, cubek {cubek}, {language}")
    }

    /// Tensors of random values as a network has them: images as burn's own convolutions leave them in memory, channels
    /// fastest, and weights as parameters are stored, `[K, C, R, S]`.
    pub fn operands(&self, conv: Convolution) -> Operands {
        let Convolution { n, h, w, c, r, s, k, .. } = conv;
        let [oh, ow] = conv.output();
        let mut random = Random(1);
        let mut values = |len: usize| (0..len).map(|_| random.next()).collect::<Vec<f32>>();
        let values = Values {
            x: values(n * h * w * c),
            w: values(k * c * r * s),
            dy: values(n * oh * ow * k),
        };
        let tensor = |values: &[f32], shape: [usize; 4]| {
            CubeBackend::float_from_data(TensorData::new(values.to_vec(), shape), &self.device)
        };
        let image = |values: &[f32], shape| {
            CubeBackend::float_permute(tensor(values, shape), &[0, 3, 1, 2])
        };
        Operands {
            conv,
            x: image(&values.x, [n, h, w, c]),
            w: tensor(&values.w, [k, c, r, s]),
            dy: image(&values.dy, [n, oh, ow, k]),
            values,
        }
    }

    /// Computes a pass and waits for it.
    fn run(&self, operands: &Operands, pass: Pass) -> Outcome<CubeTensor> {
        let Operands { conv, x, w, dy, .. } = operands;
        let (x, w, dy) = (x.clone(), w.clone(), dy.clone());
        let options = ConvOptions::new([conv.stride; 2], [conv.padding; 2], [1; 2], 1);
        let result = match pass {
            Pass::Forward => CubeBackend::conv2d(x, w, None, options),
            Pass::InputGradient => CubeBackend::conv2d_x_backward(x, w, dy, options),
            Pass::WeightGradient => CubeBackend::conv2d_weight_backward(x, w, dy, options),
        };
        CubeBackend::sync(&self.device).map_err(|e| format!("{pass:?} of {conv:?}: {e:?}"))?;
        Ok(result)
    }

    /// Runs a pass for the first time: seconds, and what autotune chose.
    pub fn tune(&self, operands: &Operands, pass: Pass) -> Outcome<(f64, String)> {
        let read = || fs::read_to_string(&self.decisions).unwrap_or_default();
        let before = read().len();
        let started = Instant::now();
        self.run(operands, pass)?;
        let seconds = started.elapsed().as_secs_f64();
        // Candidates that tune what is inside them are written before what is tuned around them.
        let choice = read()[before..].lines().next_back().and_then(|line| {
            let decision: Value = serde_json::from_str(line).ok()?;
            Some(decision["results"][0]["outcome"]["Ok"]["name"].as_str()?.to_owned())
        });
        Ok((seconds, choice.unwrap_or_else(|| "as for a similar shape".into())))
    }

    /// The result of a pass, images with channels fastest.
    pub fn result(&self, operands: &Operands, pass: Pass) -> Outcome<Vec<f32>> {
        let result = self.run(operands, pass)?;
        let result = match pass {
            Pass::Forward | Pass::InputGradient => {
                CubeBackend::float_permute(result, &[0, 2, 3, 1])
            }
            Pass::WeightGradient => result,
        };
        let data = read_sync(CubeBackend::float_into_data(result)).map_err(|e| format!("{e:?}"))?;
        Ok(data.into_vec::<f32>().map_err(|e| format!("{e:?}"))?)
    }

    /// Seconds of each repeat, after one that does not count.
    pub fn repeat(
        &self,
        operands: &Operands,
        pass: Pass,
        (time, least): (Duration, usize),
    ) -> Outcome<Vec<f64>> {
        self.run(operands, pass)?;
        let (mut seconds, started) = (Vec::new(), Instant::now());
        while seconds.len() < least || started.elapsed() < time {
            let one = Instant::now();
            self.run(operands, pass)?;
            seconds.push(one.elapsed().as_secs_f64());
        }
        Ok(seconds)
    }
}

impl Drop for Burn {
    fn drop(&mut self) {
        // It is of no use to anyone, but an error as little.
        let _ = fs::remove_file(&self.decisions);
    }
}

/// Numbers between -1 and 1, the same in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> f32 {
        // Knuth's MMIX generator; its high bits are the good ones.
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1 << 23) as f32 - 1.0
    }
}
