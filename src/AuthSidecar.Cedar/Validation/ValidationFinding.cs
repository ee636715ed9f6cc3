namespace AuthSidecar.Cedar;

/// <summary>The kinds of errors and warnings that validation finds.</summary>
public enum ValidationKind
{
    /// <summary>A type of entity that the schema does not have.</summary>
    UnrecognizedEntityType = 1,

    /// <summary>An action that the schema does not have.</summary>
    UnrecognizedActionId,

    /// <summary>No action that the scope names applies to the principals and resources that it names.</summary>
    InvalidActionApplication,

    /// <summary>An expression is not of the type that stands there.</summary>
    UnexpectedType,

    /// <summary>Two expressions are to be of one type and are not.</summary>
    IncompatibleTypes,

    /// <summary>An attribute that is not there.</summary>
    UnsafeAttributeAccess,

    /// <summary>An attribute that need not be there, and of which nobody asked.</summary>
    UnsafeOptionalAttributeAccess,

    /// <summary>A tag of which nobody asked.</summary>
    UnsafeTagAccess,

    /// <summary>A tag of an entity that has none.</summary>
    NoTagsAllowed,

    /// <summary>A function that there is not.</summary>
    UndefinedFunction,

    /// <summary>A function with too many arguments, or too few.</summary>
    WrongNumberArguments,

    /// <summary>A constant that the function does not take.</summary>
    FunctionArgumentValidation,

    /// <summary>An empty set, whose type nobody can tell (strict).</summary>
    EmptySetForbidden,

    /// <summary>An extension value that is not made of a string literal (strict).</summary>
    NonLitExtConstructor,

    /// <summary>An entity that its enumerated type does not list.</summary>
    InvalidEnumEntity,

    /// <summary>More entities in a row are looked into than allowed.</summary>
    EntityDerefLevelViolation,

    /// <summary>The expression is nested too deep.</summary>
    RecursionLimit,

    /// <summary>A warning: the policy is never satisfied.</summary>
    ImpossiblePolicy,

    /// <summary>A warning: a string of several scripts.</summary>
    MixedScriptString,

    /// <summary>A warning: a string with characters that change the direction of writing.</summary>
    BidiCharsInString,

    /// <summary>A warning: an identifier with characters that change the direction of writing.</summary>
    BidiCharsInIdentifier,

    /// <summary>A warning: an identifier of several scripts.</summary>
    MixedScriptIdentifier,

    /// <summary>A warning: an identifier that looks like another.</summary>
    ConfusableIdentifier,
}

/// <summary>An error or a warning about a policy.</summary>
/// <param name="Kind">What kind it is of.</param>
/// <param name="PolicyId">The policy, or the template.</param>
/// <param name="Fault">What is wrong, where, and what would help.</param>
public sealed record ValidationFinding(ValidationKind Kind, string PolicyId, Fault Fault);

/// <summary>What validation found.</summary>
/// <param name="Errors">What has to be mended.</param>
/// <param name="Warnings">What may be meant as it is.</param>
public sealed record ValidationResult(IReadOnlyList<ValidationFinding> Errors, IReadOnlyList<ValidationFinding> Warnings)
{
    /// <summary>Whether there is no error.</summary>
    public bool IsValid => Errors.Count == 0;
}

/// <summary>How much validation asks for.</summary>
public enum ValidationMode
{
    /// <summary>Expressions that meet are of one type: what the rest of Cedar's tools (analysis, partial evaluation) rely on.</summary>
    Strict = 0,

    /// <summary>Only what cannot go wrong in evaluation.</summary>
    Permissive,
}

/// <summary>How policies are validated.</summary>
public sealed record ValidationOptions
{
    /// <summary>How much is asked for. Default: strict.</summary>
    public ValidationMode Mode { get; init; }

    /// <summary>How many entities in a row a policy may look into, 0 or more. Default: however many.</summary>
    public int? Level { get; init; }
}
