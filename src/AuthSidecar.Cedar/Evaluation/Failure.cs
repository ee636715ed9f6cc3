namespace AuthSidecar.Cedar;

/// <summary>An error as it happens: what is needed to tell of it, without yet telling. Most errors are counted and never read, so the words
/// are made only by <see cref="ToError"/>.</summary>
internal readonly record struct Failure(
    EvaluationErrorKind Kind, SourceSpan Span, Value Subject = default, string? Name = null, int Count = 0)
{
    public static Failure WrongType(Expr operand, Value actual, string expected) =>
        new(EvaluationErrorKind.TypeError, operand.Span, actual, expected);

    public EvaluationError ToError() => new(
        Kind,
        Kind switch
        {
            EvaluationErrorKind.EntityDoesNotExist => $"the entity `{Subject}` does not exist",
            EvaluationErrorKind.EntityAttributeDoesNotExist =>
                $"the entity `{Subject}` has no {(Count == 0 ? "attribute" : "tag")} `{Name}`",
            EvaluationErrorKind.RecordAttributeDoesNotExist => $"the record has no attribute `{Name}`",
            EvaluationErrorKind.TypeError => $"expected {Name}, got {Subject.Kind.Name()}",
            EvaluationErrorKind.WrongNumberOfArguments => string.Create(
                CultureInfo.InvariantCulture, $"`{Name}` was called with {Count} arguments"),
            EvaluationErrorKind.IntegerOverflow => $"the result of `{Name}` does not fit into 64 bits",
            EvaluationErrorKind.ExtensionFunctionFailed => Name!,
            _ => "unknown error",
        },
        Span);
}
