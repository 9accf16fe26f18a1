//! An EOPM step whose copies run in groups equals the step whose copies run together.
use crate::{
    cli::random_base,
    extent::every_gpu,
    networks::{
        evaluator::{relative_l2, wide},
        golden::Golden,
    },
};
use nf_gpu::{
    fault::{FaultModel, Faults},
    forward::{self, EopmRequest, Images},
    kernels::plan::Dtype,
    models,
    nn::{Cut, FrozenNet, NodeValue, TrainableNet},
    run::{BufferId, Tape},
    shape::{Nhwc, nhwc_from_nchw},
    step::{EopmStep, EopmTape, Loss, Target},
};

#[test]
fn copies_in_groups_are_the_copies_together() {
    const SEEDS: [u64; 4] = [5, 6, 7, 8];
    let shape = Nhwc::new(2, 32, 32, 3);
    let golden = Golden::load("UNetS");
    let base = models::base("vgg-small", 10, None).unwrap();
    let weights = random_base("vgg-small", 5);
    let images = &golden.file.tensors["input"];
    let faults = Faults::new(FaultModel::Flip, 0.01).unwrap();
    every_gpu(|gpu, on| {
        let distill = Loss::Distill { temperature: 2.0 };
        for (loss, classes) in [(Loss::Labels, &[3, 9][..]), (distill, &[][..])] {
            let request = EopmRequest {
                generator: (&golden.graph, &golden.parameters),
                base: (&base, &weights),
                precision: 8,
                faults: &faults,
                seeds: &SEEDS,
                lambda: 3.0,
                images: Images::new(&images.shape, &images.data).unwrap(),
                loss,
                labels: classes,
                micro_batch: None,
                dtype: Dtype::F32,
                loss_scale: None,
            };
            let whole = forward::eopm(gpu, &request).unwrap();
            assert_eq!(whole.cut.groups, 1);
            // Five copies in groups of 5, 3 (one left over), 2 and 1.
            for (together, most) in [(3, 2), (2, 1), (1, 2)] {
                let cut = Cut::new(2, most, 5, together);
                let net = TrainableNet::new(gpu, &golden.graph, &golden.parameters, 8).unwrap();
                let frozen = FrozenNet::new(gpu, &base, &weights, 8, cut.copies).unwrap();
                let mut tape = Tape::new();
                let part = |tape: &mut Tape, &n: &u32| {
                    let shape = Nhwc { n, ..shape };
                    NodeValue { id: tape.kept("images", shape.bytes()), shape, copies: 1 }
                };
                let x: Vec<NodeValue> = cut.parts.iter().map(|n| part(&mut tape, n)).collect();
                let labels: Vec<BufferId> =
                    cut.parts.iter().map(|&n| tape.kept("labels", u64::from(n) * 4)).collect();
                let target = Target { loss, labels: &labels, clean: (&weights, 8) };
                let step =
                    EopmTape::append(gpu, &mut tape, &net, &frozen, &x, target, &cut, 5).unwrap();
                let step = EopmStep::new(gpu, &tape, step, &frozen, &faults, 3.0).unwrap();
                let image = images.data.len() / 2;
                let mut first = 0;
                for (x, &id) in x.iter().zip(&labels) {
                    let n = x.shape.n as usize;
                    let data = &images.data[first * image..][..n * image];
                    step.program().write(gpu, x.id, 0, &nhwc_from_nchw(data, x.shape, f32::NAN));
                    step.program().write(gpu, id, 0, &[3u32, 9][first..][..n]);
                    first += n;
                }
                // Runs twice, to show that nothing is left over from the previous run.
                assert!(step.run(gpu, Some(&SEEDS[1..])).is_err());
                step.run(gpu, Some(&[1, 2, 3, 4])).unwrap();
                step.clear_losses(gpu);
                step.run(gpu, Some(&SEEDS)).unwrap();
                let losses: Vec<f64> =
                    step.losses(gpu).unwrap().iter().map(|sum| sum / 2.0).collect();
                let want = [&[whole.clean][..], &whole.faulty].concat();
                assert_eq!(losses.len(), 5);
                // The logarithm of a value near 1 is off by 2^-21, which the square of the temperature
                // multiplies.
                let of_log = loss.temperature().map_or(0.0, |t| f64::from(t * t) * 2f64.powi(-21));
                for (got, want) in losses.iter().zip(&want) {
                    assert!(
                        (got - want).abs() < 1e-5 * want + of_log,
                        "{losses:?}, expected {want:?} on {on}"
                    );
                }
                let got = net.named(&net.gradients.read::<f32>(gpu).unwrap());
                for (name, want) in &whole.gradients.tensors {
                    let error = relative_l2(&got.tensors[name].data, &wide(&want.data));
                    assert!(error < 2e-5, "{name} in groups of {together} on {on}: {error:.1e}");
                }
            }
        }
    });
}
