namespace AuthSidecar.Cedar;

/// <summary>Why an expression has no value.</summary>
public enum EvaluationErrorKind
{
    /// <summary>No error.</summary>
    None = 0,

    /// <summary>An attribute or tag was asked of an entity that does not exist.</summary>
    EntityDoesNotExist,

    /// <summary>An entity has no such attribute, or no such tag.</summary>
    EntityAttributeDoesNotExist,

    /// <summary>A record has no such attribute.</summary>
    RecordAttributeDoesNotExist,

    /// <summary>An operand has the wrong type.</summary>
    TypeError,

    /// <summary>A function was called with the wrong number of arguments.</summary>
    WrongNumberOfArguments,

    /// <summary>A result does not fit into 64 bits.</summary>
    IntegerOverflow,

    /// <summary>A function of an extension type failed, such as <c>ip("x")</c>.</summary>
    ExtensionFunctionFailed,
}

/// <summary>An expression that has no value: why, and where it stands.</summary>
/// <param name="Kind">The kind of error.</param>
/// <param name="Message">What happened, in words.</param>
/// <param name="Span">The place in the policy's source text.</param>
public sealed record EvaluationError(EvaluationErrorKind Kind, string Message, SourceSpan Span);
