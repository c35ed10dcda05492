package floe.metastore;

import java.io.IOException;
import java.net.URI;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.s3a.UnknownStoreException;
import org.apache.hadoop.hive.metastore.HiveMetaException;
import org.apache.hadoop.hive.metastore.MetaStoreSchemaInfo;
import org.apache.hadoop.hive.metastore.conf.MetastoreConf;
import org.apache.hadoop.hive.metastore.conf.MetastoreConf.ConfVars;

/**
 * Checks that the bucket can be read, and creates or upgrades the database schema, before the metastore starts. The
 * schema changes in one transaction, so a kill leaves it as it was; Hive's own schematool would leave half of it.
 */
public final class Prepare {
  private static final class PreparationFailed extends Exception {
    PreparationFailed(String sentence, Throwable cause) {
      super(sentence, cause);
    }
  }

  public static void main(String[] arguments) {
    try {
      Configuration settings = MetastoreConf.newMetastoreConf();
      checkBucket(settings);
      prepareSchema(settings);
    } catch (PreparationFailed failed) {
      System.err.println("[prepare] " + failed.getMessage());
      System.exit(1);
    }
  }

  private static void checkBucket(Configuration settings) throws PreparationFailed {
    URI warehouse = URI.create(MetastoreConf.getVar(settings, ConfVars.WAREHOUSE));
    String endpoint = settings.get("fs.s3a.endpoint");
    Configuration quick = new Configuration(settings);
    quick.setInt("fs.s3a.bucket.probe", 2);
    quick.setInt("fs.s3a.attempts.maximum", 2);
    quick.setInt("fs.s3a.retry.limit", 2);
    quick.setInt("fs.s3a.connection.establish.timeout", 3000);
    try (FileSystem bucket = FileSystem.newInstance(warehouse, quick)) {
      // The probe alone also accepts a bucket that it may not read.
      bucket.exists(new org.apache.hadoop.fs.Path(warehouse));
      print("The bucket " + warehouse.getHost() + " exists.");
    } catch (UnknownStoreException missing) {
      throw new PreparationFailed("The bucket " + warehouse.getHost() + " does not exist at " + endpoint + ": create it, or correct FLOE_WAREHOUSE.", missing);
    } catch (AccessDeniedException denied) {
      throw new PreparationFailed("The bucket " + warehouse.getHost() + " at " + endpoint + " cannot be read with the key of FLOE_S3_ACCESS_KEY: correct it or FLOE_S3_SECRET_KEY.", denied);
    } catch (IOException unreachable) {
      throw new PreparationFailed("The object storage at " + endpoint + " does not answer (" + lastCause(unreachable) + "): start it, or correct FLOE_S3_ENDPOINT.", unreachable);
    }
  }

  private static void prepareSchema(Configuration settings) throws PreparationFailed {
    String database = MetastoreConf.getVar(settings, ConfVars.CONNECT_URL_KEY);
    String user = MetastoreConf.getVar(settings, ConfVars.CONNECTION_USER_NAME);
    try (Connection connection = DriverManager.getConnection(database, user, MetastoreConf.getPassword(settings, ConfVars.PWD))) {
      connection.setAutoCommit(false);
      try (Statement statement = connection.createStatement()) {
        // One metastore at a time; 9083 is an arbitrary number that all of them use.
        statement.execute("SELECT pg_advisory_xact_lock(9083)");
        bringUpToDate(statement);
      }
      connection.commit();
    } catch (SQLException failed) {
      throw new PreparationFailed(sentence(failed, database, user), failed);
    } catch (IOException | HiveMetaException failed) {
      throw new PreparationFailed("The schema of the metastore in " + database + " cannot be prepared: " + failed.getMessage(), failed);
    }
  }

  private static void bringUpToDate(Statement statement) throws SQLException, IOException, HiveMetaException {
    MetaStoreSchemaInfo hive = new MetaStoreSchemaInfo(System.getenv("METASTORE_HOME"), "postgres");
    Path scripts = Path.of(hive.getMetaStoreScriptDir());
    String present = version(statement);
    if (present == null) {
      print("Creating the schema, version " + hive.getHiveSchemaVersion() + ".");
      statement.execute(Files.readString(scripts.resolve(hive.generateInitFileName(null))));
      return;
    }
    for (String script : hive.getUpgradeScripts(present)) {
      print("Upgrading the schema: " + script + ".");
      statement.execute(Files.readString(scripts.resolve(script)));
    }
    print("The schema has version " + hive.getHiveSchemaVersion() + ".");
  }

  /** Null without a schema. */
  private static String version(Statement statement) throws SQLException {
    try (ResultSet table = statement.executeQuery("SELECT to_regclass('\"VERSION\"')")) {
      table.next();
      if (table.getString(1) == null) return null;
    }
    try (ResultSet row = statement.executeQuery("SELECT \"SCHEMA_VERSION\" FROM \"VERSION\"")) {
      return row.next() ? row.getString(1) : null;
    }
  }

  private static String sentence(SQLException failed, String database, String user) {
    String state = failed.getSQLState() == null ? "" : failed.getSQLState();
    switch (state) {
      case "28P01":
      case "28000":
        return "PostgreSQL rejects the user " + user + " at " + database + ": correct POSTGRES_USER or POSTGRES_PASSWORD. A database keeps the password of its first start.";
      case "3D000":
        return "PostgreSQL has no database at " + database + ": create it, or correct METASTORE_DATABASE.";
      case "42P07":
        return "The database " + database + " has a metastore's tables but no schema version, as after an interrupted initialisation: empty it, then start again.";
      default:
        return state.startsWith("08") || state.equals("57P03")
            ? "PostgreSQL does not answer at " + database + " (" + lastCause(failed) + "): start it, or correct METASTORE_DATABASE."
            : "The schema of the metastore in " + database + " cannot be prepared: " + failed.getMessage();
    }
  }

  private static String lastCause(Throwable failure) {
    Throwable last = failure;
    while (last.getCause() != null) last = last.getCause();
    return last.getMessage() == null ? last.getClass().getSimpleName() : last.getMessage();
  }

  private static void print(String line) {
    System.out.println("[prepare] " + line);
  }
}
