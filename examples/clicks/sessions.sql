-- A session ends when its visitor does nothing for 30 minutes.
WITH marked AS (
  SELECT *, lag(occurred_at) OVER visit AS before,
    before IS NULL OR occurred_at - before > INTERVAL 30 MINUTE AS starts
  FROM clicks
  WINDOW visit AS (PARTITION BY visitor ORDER BY occurred_at)
), numbered AS (
  SELECT *, count_if(starts) OVER (PARTITION BY visitor ORDER BY occurred_at) AS session
  FROM marked
)
SELECT visitor, session, min(occurred_at) AS began, max(occurred_at) - min(occurred_at) AS lasted,
  count(*) AS events, bool_or(action = 'purchase') AS bought
FROM numbered
GROUP BY visitor, session
ORDER BY began
