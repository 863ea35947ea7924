//! The names that a pickle may use. Each is a word for something that is made here; none is looked up or called.

use crate::formats::element::Element;

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::formats) enum Name {
    /// `_rebuild_tensor`, `_rebuild_tensor_v2`: a view of a storage.
    Tensor,
    /// `_rebuild_tensor_v3`: with its dtype, of a storage of bytes.
    TypedTensor,
    /// `_rebuild_parameter`, `_rebuild_parameter_with_state`: the tensor in it.
    Parameter,
    /// `_rebuild_from_type_v2`: a name, a class of tensors, arguments of the name.
    FromType,
    /// A class of tensors.
    TensorClass,
    /// A class of storages; `None` for bytes without a type.
    Storage(Option<Element>),
    /// A dtype of PyTorch's.
    Element(Element),
    /// `OrderedDict`, `dict`, `Counter`: a dict of a list of pairs or of another dict.
    Dict,
    /// `defaultdict`: an empty dict; what it makes of absent keys does not matter.
    DefaultDict,
    /// `set`, `frozenset`.
    Set,
    /// `list`.
    List,
    /// `tuple`, `torch.Size`.
    Tuple,
    /// `_codecs.encode`: bytes that old protocols write as text.
    Encode,
    /// `bytes`, `bytearray`.
    Bytes,
    /// A class whose values matter to nobody here, by what they are.
    Other(&'static str),
    /// NumPy's `scalar`: a number by its dtype and bytes.
    Scalar,
    /// NumPy's `_reconstruct`: an array to be filled.
    Reconstruct,
    /// NumPy's `_frombuffer`: an array.
    FromBuffer,
    /// NumPy's `ndarray`.
    Array,
    /// NumPy's `dtype`.
    Dtype,
}

/// The classes of storages.
const STORAGES: [(&str, Option<Element>); 13] = [
    ("FloatStorage", Some(Element::F32)),
    ("DoubleStorage", Some(Element::F64)),
    ("HalfStorage", Some(Element::F16)),
    ("BFloat16Storage", Some(Element::BF16)),
    ("LongStorage", Some(Element::I64)),
    ("IntStorage", Some(Element::I32)),
    ("ShortStorage", Some(Element::I16)),
    ("CharStorage", Some(Element::I8)),
    ("ByteStorage", Some(Element::U8)),
    ("BoolStorage", Some(Element::Bool)),
    ("ComplexFloatStorage", Some(Element::Other("complex64"))),
    ("ComplexDoubleStorage", Some(Element::Other("complex128"))),
    ("UntypedStorage", None),
];

/// What `module.name` stands for, where it is allowed.
pub(super) fn allowed(module: &str, name: &str) -> Option<Name> {
    match module {
        "torch" | "torch.cuda" | "torch.storage" => torch(module, name),
        "torch._utils" => match name {
            "_rebuild_tensor" | "_rebuild_tensor_v2" => Some(Name::Tensor),
            "_rebuild_tensor_v3" => Some(Name::TypedTensor),
            "_rebuild_parameter" | "_rebuild_parameter_with_state" => Some(Name::Parameter),
            _ => None,
        },
        "torch._tensor" if name == "_rebuild_from_type_v2" => Some(Name::FromType),
        "torch.nn.parameter" if ["Parameter", "Buffer"].contains(&name) => Some(Name::TensorClass),
        "collections" => match name {
            "OrderedDict" | "Counter" => Some(Name::Dict),
            "defaultdict" => Some(Name::DefaultDict),
            _ => None,
        },
        "builtins" | "__builtin__" => builtin(name),
        "_codecs" if name == "encode" => Some(Name::Encode),
        "numpy" => match name {
            "dtype" => Some(Name::Dtype),
            "ndarray" => Some(Name::Array),
            _ => None,
        },
        "numpy.core.multiarray" | "numpy._core.multiarray" => match name {
            "scalar" => Some(Name::Scalar),
            "_reconstruct" => Some(Name::Reconstruct),
            _ => None,
        },
        "numpy.core.numeric" | "numpy._core.numeric" if name == "_frombuffer" => Some(Name::FromBuffer),
        _ => None,
    }
}

fn torch(module: &str, name: &str) -> Option<Name> {
    if let Some((_, element)) = STORAGES.iter().find(|(storage, _)| *storage == name) {
        return Some(Name::Storage(*element));
    }
    if module != "torch" {
        return None;
    }
    match name {
        "Tensor" => Some(Name::TensorClass),
        "Size" => Some(Name::Tuple),
        "device" => Some(Name::Other("device")),
        other => Element::of_torch(other).map(Name::Element),
    }
}

fn builtin(name: &str) -> Option<Name> {
    match name {
        "set" | "frozenset" => Some(Name::Set),
        "list" => Some(Name::List),
        "tuple" => Some(Name::Tuple),
        "dict" => Some(Name::Dict),
        "bytes" | "bytearray" => Some(Name::Bytes),
        "complex" => Some(Name::Other("complex")),
        "int" | "long" | "float" | "str" | "bool" => Some(Name::Other("class")),
        _ => None,
    }
}
