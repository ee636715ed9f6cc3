using System.Data.Common;
using Microsoft.EntityFrameworkCore.Diagnostics;

namespace AuthSidecar.ControlPlane.Store;

/// <summary>A request had text with U+0000, which PostgreSQL cannot store or compare.</summary>
internal sealed class NullCharacterException() : Exception("text must not contain U+0000")
{
    public static bool IsIn(Exception? e) => e is NullCharacterException || (e is not null && IsIn(e.InnerException));
}

/// <summary>Refuses text with U+0000 before it reaches a database, whichever field of whichever endpoint it came by: the same on SQLite,
/// which would take it.</summary>
internal sealed class NullCharacterGuard : DbCommandInterceptor
{
    public override InterceptionResult<DbDataReader> ReaderExecuting(
        DbCommand command, CommandEventData eventData, InterceptionResult<DbDataReader> result) => Checked(command, result);

    public override ValueTask<InterceptionResult<DbDataReader>> ReaderExecutingAsync(
        DbCommand command, CommandEventData eventData, InterceptionResult<DbDataReader> result,
        CancellationToken cancellationToken = default) => ValueTask.FromResult(Checked(command, result));

    public override InterceptionResult<object> ScalarExecuting(
        DbCommand command, CommandEventData eventData, InterceptionResult<object> result) => Checked(command, result);

    public override ValueTask<InterceptionResult<object>> ScalarExecutingAsync(
        DbCommand command, CommandEventData eventData, InterceptionResult<object> result, CancellationToken cancellationToken = default) =>
        ValueTask.FromResult(Checked(command, result));

    public override InterceptionResult<int> NonQueryExecuting(
        DbCommand command, CommandEventData eventData, InterceptionResult<int> result) => Checked(command, result);

    public override ValueTask<InterceptionResult<int>> NonQueryExecutingAsync(
        DbCommand command, CommandEventData eventData, InterceptionResult<int> result, CancellationToken cancellationToken = default) =>
        ValueTask.FromResult(Checked(command, result));

    /// <summary>For commands that are made without the framework.</summary>
    /// <exception cref="NullCharacterException">A parameter has one.</exception>
    public static void Check(DbCommand command)
    {
        foreach (DbParameter parameter in command.Parameters)
        {
            if (parameter.Value is string text ? text.Contains('\0', StringComparison.Ordinal)
                : parameter.Value is IEnumerable<string?> several && several.Any(t => t?.Contains('\0', StringComparison.Ordinal) is true))
            {
                throw new NullCharacterException();
            }
        }
    }

    private static T Checked<T>(DbCommand command, T result)
    {
        Check(command);
        return result;
    }
}
