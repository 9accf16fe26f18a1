//! The charts of a page as files of their own.
use super::*;

#[test]
fn every_chart_is_a_picture_of_its_own_and_a_table() {
    let folder = tempfile::tempdir().unwrap();
    run_folder(&folder.path().join("run"));
    let sources = [Source::load(folder.path().join("run")).unwrap(), several()];
    let page = Page::new(&sources, None);
    let stems = |files| -> Vec<String> {
        let paths = page.files(folder.path(), files).into_iter();
        paths.map(|(path, _)| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
    };
    let mut names = stems(Files::Svg);
    let wanted = [
        "with-and-without-faults",
        "accuracy-against-faulty-cells",
        "accuracy-against-energy",
        "training-loss",
        "accuracy-during-training",
        "changed-bits-by-position",
        "changed-bits-by-layer",
        "accuracy-by-class",
    ];
    assert_eq!(names[..8], wanted);
    for files in [Files::Svg, Files::Csv] {
        page.files(folder.path(), files)
            .iter()
            .for_each(|(path, text)| fs::write(path, text).unwrap());
    }
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    let html = page.html();
    for name in &names {
        let svg = read(&format!("{name}.svg"));
        let markup = Markup::of_svg(&svg);
        markup.stands_alone();
        assert_eq!(markup.of_name("style").count(), 1, "{name}");
        assert!(svg.contains("@media (prefers-color-scheme: dark)"), "{name}");
        assert!(!svg.contains("var("), "{name}: few programs but browsers know variables");
        assert!(html.contains(&format!("id=\"{name}-title\"")), "{name} is not in the page");
        let csv = read(&format!("{name}.csv"));
        let lines: Vec<&str> = csv.split_terminator("\r\n").collect();
        assert!(lines.len() > 1, "{name}: {csv}");
        // None of the texts here has a comma but those of the generators' and faults' lists, which are quoted.
        let columns =
            |line: &str| line.split('"').step_by(2).map(|l| l.matches(',').count()).sum::<usize>();
        assert!(lines.iter().all(|line| columns(line) == columns(lines[0])), "{name}: {csv}");
    }
    names.push("fault-maps".into());
    assert_eq!(stems(Files::Csv), names);
    let energy = read("accuracy-against-energy.csv");
    let header =
        "series,\"energy of weight memory, relative to nominal voltage (%)\",accuracy (%),name\r\n";
    assert!(energy.starts_with(header), "{energy}");
    // A row for each map: of the run's only rate, and of four rates of each generator.
    assert_eq!(read("fault-maps.csv").lines().count(), 1 + 10 * (1 + 4 * GENERATORS.len()));
    // What is drawn of one condition says so.
    let second = read("accuracy-by-class-2.svg");
    assert!(second.contains(": 0.35\u{a0}% faulty cells, stuck-at</text>"), "{second}");
}

#[test]
fn the_papers_points_stand_beside_those_of_the_same_network() {
    let paper = energy::published().unwrap().points();
    let of = |model: &str| {
        let mut e = full("UNetS");
        e.base.model = model.into();
        let sources = [Source::new("x.json", vec![e])];
        Page::new(&sources, None).beside(&paper).html()
    };
    let text = of("vgg11");
    let (_, chart) = text.split_once("Accuracy against energy").unwrap();
    let chart = chart.split("</figure>").next().unwrap();
    assert!(chart.contains("<span>the paper</span>"), "{chart}");
    // Table 12: 66.3 % behind ConvS; Table 2: 27.5 % less energy.
    let says = "the paper: 66.3\u{a0}% at 72.5\u{a0}% energy (ConvS)";
    assert!(chart.contains(says) && chart.contains("tables 2 and 12"), "{chart}");
    assert_eq!(chart.matches("class=\"hollow c1\"").count(), 1 + 7, "legend, and seven points");
    assert!(!of("resnet20").contains("the paper"));
}
