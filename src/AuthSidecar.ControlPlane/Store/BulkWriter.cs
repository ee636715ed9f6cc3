using System.Data.Common;
using Microsoft.EntityFrameworkCore.Storage;

namespace AuthSidecar.ControlPlane.Store;

/// <summary>Writes many rows in few statements, in the transaction of a context: an import has a hundred thousand of them.</summary>
/// <remarks>The context's own way tracks and compares every row, and takes ten times as long. What it knows of these tables is read anew
/// afterwards.</remarks>
internal static class BulkWriter
{
    // Few: SQLite looks for each by its name among all of a statement's.
    private const int MaxParameters = 500;

    /// <summary>Inserts rows.</summary>
    public static Task InsertAsync<T>(StoreContext context, string table, string[] columns, IReadOnlyList<T> rows,
        Func<T, object?[]> valuesOf, CancellationToken cancellation) =>
        WriteAsync(context, table, columns, onConflict: "", rows, valuesOf, cancellation);

    /// <summary>Inserts rows, and replaces those whose key is there.</summary>
    public static Task UpsertAsync<T>(
        StoreContext context, string table, string[] key, string[] others, IReadOnlyList<T> rows, Func<T, object?[]> valuesOf,
        CancellationToken cancellation) =>
        WriteAsync(context, table, [.. key, .. others], OnConflict(key, others), rows, valuesOf, cancellation);

    private static async Task WriteAsync<T>(
        StoreContext context, string table, string[] columns, string onConflict, IReadOnlyList<T> rows, Func<T, object?[]> valuesOf,
        CancellationToken cancellation)
    {
        foreach (var chunk in rows.Chunk(MaxParameters / columns.Length))
        {
            await using var command = context.Database.GetDbConnection().CreateCommand();
            command.Transaction = context.Database.CurrentTransaction!.GetDbTransaction();
            command.CommandText = Insert(table, columns, chunk.Length) + onConflict;
            foreach (var value in chunk.SelectMany(valuesOf))
                Add(command, value);

            NullCharacterGuard.Check(command);
            await command.ExecuteNonQueryAsync(cancellation);
        }
    }

    private static string Insert(string table, string[] columns, int rows)
    {
        var text = new StringBuilder($"INSERT INTO {table} ({string.Join(", ", columns.Select(Quote))}) VALUES ");
        for (var row = 0; row < rows; row++)
        {
            text.Append(row == 0 ? "(" : ", (");
            for (var column = 0; column < columns.Length; column++)
                text.Append(CultureInfo.InvariantCulture, $"{(column == 0 ? "" : ", ")}@p{(row * columns.Length) + column}");

            text.Append(')');
        }

        return text.ToString();
    }

    private static string OnConflict(string[] key, string[] others) =>
        $" ON CONFLICT ({string.Join(", ", key.Select(Quote))}) DO UPDATE SET "
            + $"{string.Join(", ", others.Select(o => $"{Quote(o)} = excluded.{Quote(o)}"))}";

    private static string Quote(string column) => $"\"{column}\"";

    private static void Add(DbCommand command, object? value)
    {
        var parameter = command.CreateParameter();
        parameter.ParameterName = string.Create(CultureInfo.InvariantCulture, $"@p{command.Parameters.Count}");
        parameter.Value = value ?? DBNull.Value;
        command.Parameters.Add(parameter);
    }
}
