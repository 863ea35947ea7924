//! The rows of element-wise functions, and what is made of them.

use wgrad::functions::{Accuracy, Elementwise, Function, Parameter, Saved};
use wgrad::ops::Op;
use wgrad::verify::{self, Adapter, Effort, check_function};
use wgrad::{Device, Graph, HostTensor, Parameters, Result};

/// A function and the numbers it takes, with their defaults.
fn words(f: &Function) -> String {
    let default = |p: &Parameter| p.default().map_or(String::new(), |v| format!(" = {v}"));
    let parameters: Vec<String> =
        f.parameters().iter().map(|p| format!("{}{}", p.name(), default(p))).collect();
    if parameters.is_empty() {
        f.name().to_owned()
    } else {
        format!("{} ({})", f.name(), parameters.join(", "))
    }
}

/// The guide's rows of functions are those of the table.
#[test]
fn the_guide_lists_every_function() {
    let guide = include_str!("../docs/guide/src/what-there-is.md");
    let of = |operands: usize| {
        let functions = Function::all().into_iter().filter(|f| f.operands() == operands);
        functions.map(|f| words(&f)).collect::<Vec<_>>().join(", ")
    };
    for (title, operands) in
        [("Functions of one tensor", 1), ("Functions of two", 2), ("Functions of three", 3)]
    {
        let line = format!("| {title} | {} |", of(operands));
        assert!(guide.contains(&line), "write this line into docs/guide/src/what-there-is.md:\n{line}");
    }
}

/// Each row has words, cases, and a range for each number it takes.
#[test]
fn rows_are_whole() {
    let mut names = std::collections::BTreeSet::new();
    for f in Function::all() {
        assert!(names.insert(f.name()), "{} is there twice", f.name());
        assert!(f.doc().len() > 4, "{}: no words", f.name());
        assert!(!f.cases().is_empty(), "{}: neither cases nor defaults", f.name());
        assert!(
            f.parameters().iter().all(|p| !p.allows(f32::NAN) && !p.allows(f32::INFINITY)),
            "{}",
            f.name()
        );
        for case in f.cases() {
            assert!(f.with(&case).is_ok(), "{}: {case:?}", f.name());
            assert!(f.with(&[&case[..], &[0.0]].concat()).is_err(), "{}: one number too many", f.name());
        }
    }
    assert!(names.len() > 60, "{names:?}");
}

#[test]
fn parameters_out_of_range_are_refused_by_name() -> Result<()> {
    let graph = Graph::new();
    let x = graph.input("x", [3])?;
    let said = |result: Result<wgrad::Tensor>| result.expect_err("out of range").to_string();
    let error = said(x.softplus(0.0, 20.0));
    assert!(
        error.contains("softplus") && error.contains("beta above 0") && error.contains("got 0"),
        "{error}"
    );
    let error = said(x.leaky_relu(f32::NAN));
    assert!(error.contains("leaky_relu") && error.contains("negative_slope"), "{error}");
    let error = said(x.elementwise(Elementwise::add(), &[]));
    assert!(error.contains("add") && error.contains("2 inputs"), "{error}");
    let error = said(x.add(&graph.input("y", [4])?));
    assert!(error.contains("add"), "{error}");
    Ok(())
}

/// `x` above 0, else `slope * x^2`.
fn bend() -> Result<Function> {
    Function::build("bend")
        .parameter(Parameter::new("slope").or(0.5))
        .value(
            "select(slope * x * x, x, x > 0.0) + select(0.0, x, is_nan(x))",
            |x, p| if x[0] > 0.0 { x[0] } else { p[0] * x[0] * x[0] },
            Accuracy::Ulps(2.0),
        )
        .gradient(
            Saved::Input,
            "select(2.0 * slope * x * g, g, x > 0.0) + select(0.0, x, is_nan(x))",
            |x, p| if x[0] > 0.0 { 1.0 } else { 2.0 * p[0] * x[0] },
            Accuracy::Ulps(2.0),
        )
        .kink(|x, _| x[0])
        .finish()
}

/// A function from outside the crate is fused and checked as ours are.
#[test]
fn a_function_of_ones_own_runs_in_the_kernel_before_it() -> Result<()> {
    let bend = bend()?;
    let graph = Graph::new();
    let (x, row) = (graph.input("x", [2, 8])?, graph.input("row", [8])?);
    let y = x.mul(&row)?.apply_function(&bend, &[2.0])?;
    let plan = graph.with(|data| wgrad::plan::plan(data, &[y.id()], &Default::default()))?.to_string();
    assert!(plan.contains("fused with bend"), "{plan}");
    assert!(
        graph.with(|data| data.producer(y.id()).op == Op::Elementwise(bend.with(&[2.0]).expect("a slope")))
    );
    let grad = y.gradients_from(&graph.input("error", [2, 8])?, &[&x])?.remove(0);
    let device = Device::auto()?;
    let mut program = Parameters::new(&device, 0).compile(&graph, &[&y, &grad])?;
    let held = |values: Vec<f32>| HostTensor::from_f32([values.len() / 8, 8], values);
    let inputs = held((0..16).map(|i| i as f32 - 8.0).collect())?;
    let ones = HostTensor::from_f32([8], vec![1.0; 8])?;
    let error = held(vec![1.0; 16])?;
    let error_input = graph.input("error", [2, 8])?;
    program.run(&[(&x, &inputs), (&row, &ones), (&error_input, &error)])?;
    assert_eq!(program.read(&y)?.as_f32()?[6..11], [8.0, 2.0, 0.0, 1.0, 2.0]);
    assert_eq!(program.read(&grad)?.as_f32()?[6..11], [-8.0, -4.0, 0.0, 1.0, 1.0]);
    Ok(())
}

#[test]
fn a_wrong_function_is_found_on_an_adapter() -> Result<()> {
    let Ok(adapter) = Adapter::open(None, None) else {
        println!("SKIPPED: no adapter");
        return Ok(());
    };
    let report = check_function(&bend()?, &adapter, Effort::quick())?;
    assert!(report.passed() && report.derivatives > 32 && report.outcomes.len() > 5, "{report:?}");
    let wrong = Function::build("bent_otherwise")
        .value("x + 1e-3", |x, _| x[0], Accuracy::Ulps(2.0))
        .gradient(Saved::Nothing, "g", |_, _| 1.0, Accuracy::Exact);
    let report = check_function(&wrong.finish()?, &adapter, Effort::quick())?;
    assert!(!report.passed(), "its kernel adds a thousandth");
    Ok(())
}

/// Every row has its cases by its name.
#[test]
fn every_row_has_cases() {
    // Of `where` there are only exact cases, whose condition is no number to differentiate by.
    for f in Function::all().into_iter().filter(|f| f.name() != "where") {
        let lines = verify::table(Some(f.name())).expect("cases");
        let has = |data: &str| lines.iter().any(|line| line.to_string().contains(data));
        assert!(has("data=real") && has("data=edges"), "{}: {} cases", f.name(), lines.len());
    }
}
