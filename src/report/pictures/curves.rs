//! `curves.svg`: loss and accuracies over the steps of a run.

use std::path::Path;

use super::{
    chart::{Chart, HALF, picture},
    charts::{TrainingRun, training},
    svg::Style,
};
use crate::{
    error::Result,
    files::atomic,
    report::documents::{event::Event, jsonl},
};

/// Draws what was recorded, whole or not at all; other events than steps and evaluations are ignored.
pub fn save(path: impl AsRef<Path>, events: &[Event]) -> Result<()> {
    atomic::write(path, drawn(events))
}

/// Draws a file of metrics.
pub fn save_from(path: impl AsRef<Path>, metrics: impl AsRef<Path>) -> Result<()> {
    let events: Vec<_> = jsonl::load(metrics)?.into_iter().filter_map(|line| line.event).collect();
    save(path, &events)
}

fn drawn(events: &[Event]) -> String {
    let mut charts = training(&[TrainingRun { label: "", style: Style::of(0), events }]);
    if charts.is_empty() {
        let title = "Nothing measured yet".into();
        charts.push(Chart { title, size: HALF, ..Chart::default() });
    }
    let titles: Vec<&str> = charts.iter().map(|c| c.title.as_str()).collect();
    picture(&titles.join(", "), &charts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::documents::event::{Evaluated, Step};

    fn run(steps: u64) -> Vec<Event> {
        let mut events = Vec::new();
        for step in 1..=steps {
            let t = step as f32 / steps as f32;
            let noise = ((step * 7919) % 101) as f32 / 400.0;
            events.push(Event::Step(Step {
                step,
                loss_clean: 0.9 - 0.3 * t + noise,
                loss_perturbed: Some(2.1 - 1.1 * t.sqrt() + 2.0 * noise),
                ..Step::default()
            }));
            if step % (steps / 6).max(1) == 0 {
                events.push(Event::Evaluated(Evaluated {
                    step,
                    accuracy: (step < steps / 3).then_some(78.4),
                    perturbed: (step < steps / 3).then_some(34.2),
                    accuracy_nf: Some(76.0 - 5.0 * f64::from(1.0 - t)),
                    perturbed_nf: Some(40.0 + 22.0 * f64::from(t)),
                    ..Evaluated::default()
                }));
            }
        }
        events
    }

    #[test]
    fn both_charts_are_drawn_in_one_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("curves.svg");
        save(&path, &run(120)).unwrap();
        let svg = std::fs::read_to_string(&path).unwrap();
        assert_eq!(svg, drawn(&run(120)));
        for says in [
            "<title id=\"title\">Training loss, Accuracy during training</title>",
            ">cross-entropy</text>",
            ">accuracy (%)</text>",
            "class=\"line c0\"",
            "class=\"line c0 dashed\"",
            "class=\"line c0 pale\"",
        ] {
            assert!(svg.contains(says), "no {says} in {svg}");
        }
        if let Some(keep) = std::env::var_os("KEEP_PICTURES") {
            save(Path::new(&keep).join("curves.svg"), &run(120)).unwrap();
            save(Path::new(&keep).join("curves-long.svg"), &run(20_000)).unwrap();
            save(Path::new(&keep).join("curves-none.svg"), &[]).unwrap();
        }
    }

    #[test]
    fn odd_runs_are_drawn_too_and_long_ones_stay_small() {
        let nan = Step { step: 2, loss_clean: f32::NAN, ..Step::default() };
        let zero =
            Evaluated { accuracy: Some(0.0), perturbed: Some(100.0), ..Evaluated::default() };
        for events in
            [vec![], run(1), run(20_000), vec![Event::Step(nan)], vec![Event::Evaluated(zero)]]
        {
            let svg = drawn(&events);
            assert!(!svg.contains("NaN") && svg.len() < 60_000, "{} bytes", svg.len());
        }
        let none = drawn(&[]);
        assert!(none.contains("Nothing measured yet") && !none.contains("class=\"line"));
    }
}
