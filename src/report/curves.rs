//! `curves.png`: loss and accuracies over the steps of a run.

use std::{error, path::Path};

use plotters::{element::DashedPathElement, prelude::*};

use super::{
    canvas::{Area, BLUE, Canvas, FRAME, INK, VERMILLION, bold, centred, text},
    event::{Evaluated, Event, Step},
    jsonl,
    measure::Measure,
};
use crate::error::{Error, Result};

/// Width and height of the picture in pixels.
pub const SIZE: (u32, u32) = (1200, 500);
/// Steps are averaged in groups, so that a loss curve has between this many points and twice as many.
const POINTS: usize = 40;
/// Name of the split of the final evaluation in events.
const TEST: &str = "test";
/// Radius of a ring.
const RING: u32 = 5;
/// Factor by which the picture is drawn larger before it is averaged down.
const S: u32 = 2;

type Drawn = std::result::Result<(), Box<dyn error::Error>>;

/// Draws what was recorded; other events than steps and evaluations are ignored.
///
/// Left: loss of the clean (blue) and the perturbed networks (vermillion). Right: CA(NF) and PA(NF), and dashed
/// CA and PA without a generator, or CA and PA alone in a run without generators. Rings mark measurements on
/// other images, such as the final test: a line to them would suggest a change that training did not make.
pub fn save(path: impl AsRef<Path>, events: &[Event]) -> Result<()> {
    let path = path.as_ref();
    let canvas = draw(events).map_err(|e| Error::write(path, std::io::Error::other(e)))?;
    canvas.save(path)
}

/// Draws a file of metrics.
///
/// # Errors
///
/// [`Error::Read`] and [`Error::Format`] for `metrics`; [`Error::Write`] for `path`.
pub fn save_from(path: impl AsRef<Path>, metrics: impl AsRef<Path>) -> Result<()> {
    let events: Vec<_> = jsonl::load(metrics)?.into_iter().filter_map(|line| line.event).collect();
    save(path, &events)
}

fn draw(events: &[Event]) -> std::result::Result<Canvas, String> {
    let (mut steps, mut evaluations) = (Vec::new(), Vec::new());
    for event in events {
        match event {
            Event::Step(step) => steps.push(step),
            Event::Evaluated(evaluated) => evaluations.push(evaluated),
            _ => {}
        }
    }
    let ends = steps.iter().map(|s| s.step).chain(evaluations.iter().map(|e| e.step));
    // The range is at least ten steps, otherwise the axis would name the same step twice.
    let last = ends.max().unwrap_or(0).max(10) as f64;
    let mut canvas = Canvas::new(S * SIZE.0, S * SIZE.1);
    canvas.draw(|area| {
        let (left, right) = area.split_horizontally(S * SIZE.0 / 2);
        panel(&left, &losses(&steps), last)?;
        panel(&right, &accuracies(&evaluations), last)
    })?;
    Ok(canvas.halved())
}

/// One plot.
struct Panel {
    title: &'static str,
    y: &'static str,
    /// Decimals at the y axis, which begins at 0.
    digits: usize,
    high: f64,
    lines: Vec<Line>,
}

#[derive(Clone, Copy, PartialEq)]
enum Stroke {
    /// Thin, and not in the legend: single measurements behind their average.
    Pale,
    Solid,
    /// Solid with a dot at every point, for a few measured points.
    Dotted,
    /// Dashed: reference values.
    Dashed,
    /// Rings without a line: measurements on other images than the curve's.
    Rings,
}

struct Line {
    name: &'static str,
    colour: RGBColor,
    stroke: Stroke,
    points: Vec<(f64, f64)>,
}

fn losses(steps: &[&Step]) -> Panel {
    let distance = steps.iter().any(|s| s.distance);
    let mut lines = Vec::new();
    let mut line = |name, colour, value: fn(&Step) -> Option<f32>| {
        let points = steps.iter().filter_map(|s| Some((s.step as f64, f64::from(value(s)?))));
        let points: Vec<_> = points.filter(|p| p.1.is_finite()).collect();
        let group = points.len() / POINTS;
        if group > 1 {
            lines.push(Line { name, colour, stroke: Stroke::Pale, points: thinned(&points) });
        }
        let points = averaged(&points, group);
        lines.push(Line { name, colour, stroke: Stroke::Solid, points });
    };
    line("clean network", BLUE, |s| Some(s.loss_clean));
    line("under bit errors", VERMILLION, |s| s.loss_perturbed);
    lines.retain(|line| !line.points.is_empty());
    // The averages decide the range: a single spike must not flatten the rest.
    let averages = lines.iter().filter(|l| l.stroke == Stroke::Solid);
    let values = || averages.clone().flat_map(|l| l.points.iter().map(|p| p.1));
    let high = values().fold(0.0, f64::max);
    let high = if high > 0.0 { 1.1 * high } else { 1.0 };
    let y = if distance { "KL divergence" } else { "cross-entropy" };
    Panel { title: "Loss", y, digits: 2, high, lines }
}

/// Reads one number from an evaluation.
type Measured = fn(&Evaluated) -> Option<f64>;

fn accuracies(evaluations: &[&Evaluated]) -> Panel {
    let (test, held_out): (Vec<&Evaluated>, Vec<&Evaluated>) =
        evaluations.iter().partition(|e| e.split == TEST);
    // A pretraining is evaluated on test images only, so these make its curve.
    let (curve, test) = if held_out.is_empty() { (test, held_out) } else { (held_out, test) };
    let of = |evaluations: &[&Evaluated], value: Measured| {
        let points = evaluations.iter().filter_map(|e| Some((e.step as f64, value(e)?)));
        points.filter(|p| p.1.is_finite()).collect::<Vec<_>>()
    };
    let points = |value| of(&curve, value);
    let (clean, perturbed) = (points(|e| e.accuracy), points(|e| e.perturbed));
    let (clean_nf, perturbed_nf) = (points(|e| e.accuracy_nf), points(|e| e.perturbed_nf));
    let generator = !clean_nf.is_empty() || !perturbed_nf.is_empty();
    // With a generator CA and PA are the reference: measured once, they hold for all steps. Without
    // a generator they are the curves themselves.
    let stroke = if generator { Stroke::Dashed } else { Stroke::Dotted };
    let mut lines = vec![
        Line { name: "CA", colour: BLUE, stroke, points: clean },
        Line { name: "PA", colour: VERMILLION, stroke, points: perturbed },
        Line { name: "CA(NF)", colour: BLUE, stroke: Stroke::Dotted, points: clean_nf },
        Line { name: "PA(NF)", colour: VERMILLION, stroke: Stroke::Dotted, points: perturbed_nf },
    ];
    // The numbers of the curves, measured on the test images; reference values are left out.
    let ends: [(RGBColor, Measured); 2] = match generator {
        true => [(BLUE, |e| e.accuracy_nf), (VERMILLION, |e| e.perturbed_nf)],
        false => [(BLUE, |e| e.accuracy), (VERMILLION, |e| e.perturbed)],
    };
    for (colour, value) in ends {
        let points = of(&test, value);
        lines.push(Line { name: TEST, colour, stroke: Stroke::Rings, points });
    }
    lines.retain(|line| !line.points.is_empty());
    let values = lines.iter().flat_map(|l| l.points.iter().map(|p| p.1));
    let high = (values.fold(0.0, f64::max) / 10.0 + 0.3).ceil().min(10.0) * 10.0;
    let measure = Measure::all(evaluations.iter().map(|e| Measure::agreement(e.agreement)));
    Panel { title: measure.title(), y: measure.axis(), digits: 0, high, lines }
}

/// Means of `group` points each.
pub(in crate::report) fn averaged(points: &[(f64, f64)], group: usize) -> Vec<(f64, f64)> {
    let mean = |chunk: &[(f64, f64)]| {
        let n = chunk.len() as f64;
        (chunk.iter().map(|p| p.0).sum::<f64>() / n, chunk.iter().map(|p| p.1).sum::<f64>() / n)
    };
    points.chunks(group.max(1)).map(mean).collect()
}

/// Every n-th point, so that at most a few thousand remain: more cannot be told apart.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    points.iter().copied().step_by((points.len() / 2000).max(1)).collect()
}

fn panel(area: &Area<'_>, panel: &Panel, last: f64) -> Drawn {
    let s = f64::from(S);
    let (width, height) = area.dim_in_pixel();
    let px = |v: u32| (v * S) as i32;
    area.draw(&Text::new(panel.title, (px(68), px(14)), bold(20.0 * s, INK)))?;
    legend(area, panel, (px(68), px(48)))?;
    let mut chart = ChartBuilder::on(area)
        .margin_top(66 * S)
        .margin_right(24 * S)
        .margin_left(8 * S)
        .margin_bottom(8 * S)
        .x_label_area_size(48 * S)
        .y_label_area_size(60 * S)
        .build_cartesian_2d(0.0..last, 0.0..panel.high)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .max_light_lines(0)
        .bold_line_style(RGBColor(0xe4, 0xe4, 0xe4).stroke_width(S))
        .axis_style(FRAME.stroke_width(S))
        .label_style(text(13.0 * s, INK))
        .axis_desc_style(text(14.0 * s, INK))
        .x_desc("step")
        .y_desc(panel.y)
        .x_labels(7)
        .y_labels(7)
        .x_label_formatter(&|x| format!("{x:.0}"))
        .y_label_formatter(&|y| format!("{y:.*}", panel.digits))
        .draw()?;
    for line in &panel.lines {
        let clamp = |&(x, y): &(f64, f64)| (x, y.clamp(0.0, panel.high));
        let points: Vec<_> = line.points.iter().map(clamp).collect();
        match line.stroke {
            Stroke::Pale => {
                // The stroke is one pixel wide: wider lines get spikes at sharp corners.
                let style = line.colour.mix(0.45).stroke_width(1);
                chart.draw_series(LineSeries::new(points, style))?;
            }
            Stroke::Solid | Stroke::Dotted => {
                // A curve of a single point has no line, so it gets a dot.
                let dot =
                    if line.stroke == Stroke::Dotted || points.len() == 1 { 4 * S } else { 0 };
                let style = line.colour.filled().stroke_width(2 * S);
                chart.draw_series(LineSeries::new(points, style).point_size(dot))?;
            }
            Stroke::Dashed => {
                let y = points.last().map_or(0.0, |p| p.1);
                let style = line.colour.stroke_width(2 * S);
                let ends = [(0.0, y), (last, y)];
                chart.draw_series(DashedLineSeries::new(ends, 8 * S, 6 * S, style))?;
            }
            Stroke::Rings => {
                for at in points {
                    // The inside is white, so that the curve behind does not cross it.
                    chart.draw_series([Circle::new(at, RING * S, WHITE.filled())])?;
                    let style = line.colour.stroke_width(2 * S);
                    chart.draw_series([Circle::new(at, RING * S, style)])?;
                }
            }
        }
    }
    if panel.lines.is_empty() {
        let middle = ((width / 2) as i32 + px(26), (height / 2) as i32);
        area.draw(&Text::new("nothing measured yet", middle, centred(&text(15.0 * s, FRAME))))?;
    }
    Ok(())
}

/// Draws a row with a sample and the name of each line, above the plot, where no curve can be.
fn legend(area: &Area<'_>, panel: &Panel, (mut x, y): (i32, i32)) -> Drawn {
    let px = |v: u32| (v * S) as i32;
    let mut names: Vec<&str> = Vec::new();
    for line in panel.lines.iter().filter(|l| l.stroke != Stroke::Pale) {
        // Rings of both colours share one entry.
        if names.contains(&line.name) {
            continue;
        }
        names.push(line.name);
        let (ends, style) = ([(x, y), (x + px(30), y)], line.colour.stroke_width(2 * S));
        match line.stroke {
            Stroke::Dashed => {
                area.draw(&DashedPathElement::new(ends.to_vec(), 8 * S, 6 * S, style))?;
            }
            Stroke::Rings => {
                let style = FRAME.stroke_width(2 * S);
                area.draw(&Circle::new((x + px(15), y), RING * S, style))?;
            }
            _ => area.draw(&PathElement::new(ends.to_vec(), style))?,
        }
        if line.stroke == Stroke::Dotted {
            area.draw(&Circle::new((x + px(15), y), 4 * S, line.colour.filled()))?;
        }
        let style = text(14.0 * f64::from(S), INK);
        let (width, _) = style.font.box_size(line.name)?;
        let at = (x + px(38) + (width / 2) as i32, y);
        area.draw(&Text::new(line.name, at, centred(&style)))?;
        x = at.0 + (width / 2) as i32 + px(20);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

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

    fn has(canvas: &Canvas, colour: RGBColor) -> bool {
        canvas.pixels.as_chunks().0.contains(&[colour.0, colour.1, colour.2])
    }

    #[test]
    fn both_colours_are_drawn_and_the_file_is_a_picture_of_the_size_promised() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("curves.png");
        save(&path, &run(120)).unwrap();
        let picture = image::open(&path).unwrap().into_rgb8();
        assert_eq!(picture.dimensions(), SIZE);
        let canvas = draw(&run(120)).unwrap();
        assert!(has(&canvas, BLUE) && has(&canvas, VERMILLION));
        assert_eq!(picture.as_raw(), &canvas.pixels);
        if let Some(keep) = std::env::var_os("KEEP_PICTURES") {
            std::fs::copy(&path, Path::new(&keep).join("curves.png")).unwrap();
            save(Path::new(&keep).join("curves-long.png"), &run(20_000)).unwrap();
            save(Path::new(&keep).join("curves-none.png"), &[]).unwrap();
        }
    }

    #[test]
    fn odd_runs_are_drawn_too() {
        let nan = Step { step: 2, loss_clean: f32::NAN, ..Step::default() };
        let zero =
            Evaluated { accuracy: Some(0.0), perturbed: Some(100.0), ..Evaluated::default() };
        for events in
            [vec![], run(1), run(20_000), vec![Event::Step(nan)], vec![Event::Evaluated(zero)]]
        {
            draw(&events).unwrap();
        }
        assert!(!has(&draw(&[]).unwrap(), BLUE));
    }

    #[test]
    fn without_a_generator_ca_is_a_curve_and_not_a_baseline() {
        let pretraining = Evaluated { accuracy: Some(50.0), ..Evaluated::default() };
        let lines = accuracies(&[&pretraining]).lines;
        assert!(lines.len() == 1 && lines[0].stroke == Stroke::Dotted);
        let training = Evaluated { accuracy_nf: Some(40.0), ..pretraining };
        let strokes: Vec<_> = accuracies(&[&training]).lines.iter().map(|l| l.stroke).collect();
        assert!(strokes == [Stroke::Dashed, Stroke::Dotted]);
    }

    #[test]
    fn the_final_test_is_no_point_of_the_held_out_curves_and_the_axis_begins_at_0() {
        let of = |step, split: &str, [ca, pa, ca_nf, pa_nf]: [f64; 4]| Evaluated {
            step,
            accuracy: Some(ca),
            perturbed: Some(pa),
            accuracy_nf: Some(ca_nf),
            perturbed_nf: Some(pa_nf),
            split: split.into(),
            ..Evaluated::default()
        };
        let held_out = of(10, "held-out", [90.0, 70.0, 89.0, 85.0]);
        let panel = accuracies(&[&held_out, &of(10, "test", [60.0, 40.0, 55.0, 50.0])]);
        let points: Vec<_> = panel.lines.iter().map(|l| (l.name, l.points.as_slice())).collect();
        let wanted: [(&str, &[(f64, f64)]); 6] = [
            ("CA", &[(10.0, 90.0)]),
            ("PA", &[(10.0, 70.0)]),
            ("CA(NF)", &[(10.0, 89.0)]),
            ("PA(NF)", &[(10.0, 85.0)]),
            ("test", &[(10.0, 55.0)]),
            ("test", &[(10.0, 50.0)]),
        ];
        assert_eq!(points, wanted);
        assert!(panel.lines[4..].iter().all(|l| l.stroke == Stroke::Rings) && panel.high == 100.0);
        // No value lies between 0 and 50 %, but the axis still begins at 0.
        let canvas = draw(&[Event::Evaluated(held_out)]).unwrap();
        let row = |y: u32| {
            let begin = 3 * (y * canvas.width + canvas.width / 2) as usize;
            &canvas.pixels[begin..begin + 3 * (canvas.width / 2) as usize]
        };
        let has =
            |y, colour: RGBColor| row(y).as_chunks().0.contains(&[colour.0, colour.1, colour.2]);
        let lowest = (0..canvas.height).filter(|&y| has(y, VERMILLION)).max().unwrap();
        assert!(lowest < canvas.height * 3 / 5, "70 % lies at {lowest} of {}", canvas.height);
    }

    #[test]
    fn averages_keep_the_mean() {
        let points: Vec<_> = (0..10).map(|i| (f64::from(i), f64::from(i * i))).collect();
        assert_eq!(averaged(&points, 5), [(2.0, 6.0), (7.0, 51.0)]);
        assert_eq!(averaged(&points, 0), points);
    }
}
